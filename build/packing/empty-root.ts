/**
 * Runs a program where nothing else is: in a root directory that holds it and an empty /proc mount point,
 * with its own process and mount namespaces, so that it is process 1.
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
  /** For a program of another architecture: a static emulator, which then is in the root, too. */
  readonly emulator?: string;
}

/**
 * Returns what it printed on stdout; throws with stderr if its exit code is not 0, and a BuilderError if
 * there can be no such root here.
 */
export async function runInEmptyRoot({ program, args, emulator }: EmptyRootRun): Promise<string> {
  await using root = await mkdtempDisposable(join(tmpdir(), "attune-empty-root-"));
  await mkdir(join(root.path, "proc"));
  const files = emulator === undefined ? [program] : [emulator, program];
  for (const file of files) await copyFile(file, join(root.path, basename(file)));

  // Everybody but root needs a user namespace to be allowed to do this.
  const asRoot = process.getuid?.() === 0 ? [] : ["--map-root-user"];
  const namespaces = ["--mount", "--pid", "--fork", "--kill-child", `--root=${root.path}`, "--mount-proc"];
  const command = files.map((file) => `/${basename(file)}`);
  try {
    const { stdout } = await promisify(execFile)("unshare", [...asRoot, ...namespaces, ...command, ...args], {
      // Where unshare is; and nothing else that the program might obey.
      env: { PATH: process.env["PATH"] },
      timeout: timeLimitMs,
    });
    return stdout;
  } catch (error) {
    throw refusal(error) ?? error;
  }
}

/** Undefined if it was the program that failed. */
function refusal(error: unknown): BuilderError | undefined {
  if (isMissing(error)) return missingFromMachine("unshare", ["util-linux"]);
  const words = reasonOf(error);
  if (!words.startsWith("unshare: ") || words.includes("failed to execute")) return undefined;
  return new BuilderError(
    `no program can be tried out in an empty root here: ${words}; allow namespaces, build as root, ` +
      "or try it out right here, with --without-empty-root",
    { cause: error },
  );
}
