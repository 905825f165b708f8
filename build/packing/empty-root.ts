/**
 * Runs a program in an empty root directory with only the program and a /proc mount point, in its own process
 * and mount namespaces, so that it is process 1.
 */
import { execFile } from "node:child_process";
import { copyFile, mkdir, mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { BuilderError, missingFromMachine } from "../builder-error.ts";
import { isMissing, reasonOf } from "../toolchain.ts";

const timeLimitMs = 60_000;

export interface EmptyRootRun {
  readonly program: string;
  readonly args: readonly string[];
  /** A static emulator, also placed in the root, for a program of another architecture. */
  readonly emulator?: string;
}

/**
 * Returns the program's stdout. Throws with its stderr if its exit code is not 0, and a BuilderError if an empty
 * root cannot be created here.
 */
export async function runInEmptyRoot({ program, args, emulator }: EmptyRootRun): Promise<string> {
  await using root = await mkdtempDisposable(join(tmpdir(), "attune-empty-root-"));
  await mkdir(join(root.path, "proc"));
  const files = emulator === undefined ? [program] : [emulator, program];
  for (const file of files) await copyFile(file, join(root.path, basename(file)));

  // Without root, this needs a user namespace.
  const asRoot = process.getuid?.() === 0 ? [] : ["--map-root-user"];
  const namespaces = ["--mount", "--pid", "--fork", "--kill-child", `--root=${root.path}`, "--mount-proc"];
  const command = files.map((file) => `/${basename(file)}`);
  try {
    const { stdout } = await promisify(execFile)("unshare", [...asRoot, ...namespaces, ...command, ...args], {
      // PATH finds unshare; no other variable may influence the program.
      env: { PATH: process.env["PATH"] },
      timeout: timeLimitMs,
    });
    return stdout;
  } catch (error) {
    throw refusal(error) ?? error;
  }
}

/** Undefined if the program itself failed. */
function refusal(error: unknown): BuilderError | undefined {
  if (isMissing(error)) return missingFromMachine("unshare", ["util-linux"]);
  const words = reasonOf(error);
  if (!words.startsWith("unshare: ") || words.includes("failed to execute")) return undefined;
  return new BuilderError(
    `programs cannot be run in an empty root here: ${words}; allow namespaces, build as root, ` +
      "or verify the executable without one, with --without-empty-root",
    { cause: error },
  );
}
