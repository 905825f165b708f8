/**
 * Copies the executable into another folder. The copy is either complete and tested, or absent.
 *
 * It is written under a temporary name, executed once and then renamed. Containers that start the agent from
 * that folder therefore always find the old file or the new one. A folder without execute permission, or an
 * executable for another architecture, fails here and not in the container that is to run sensors.
 */
import { constants } from "node:fs";
import { access, copyFile, open, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { codeOf, hasCode, messageOf } from "../errors/caught.ts";
import { OperatorError, type OperatorErrorFields } from "../errors/operator-error.ts";
import { makeDirectory } from "../files/make-directory.ts";
import { type CommandResult, runCommand } from "../processes/run-command.ts";
import { programMachine } from "./program-machine.ts";

const fileName = "attune-sensor-agent";
const versionFileName = `${fileName}.version`;
const temporaryPrefix = `.${fileName}.`;

/** A temporary file this old was left behind by an installation that was killed. */
const abandonedAfterMs = 600_000;

/** Under an emulator and with a cold page cache, a start takes seconds. */
const trialTimeoutMs = 60_000;

export interface ExecutableCopy {
  readonly source: string;
  readonly directory: string;
  readonly version: string;
}

/**
 * Returns the path of the copy. On failure it leaves nothing behind.
 *
 * @throws OperatorError
 */
export async function copyExecutable({ source, directory, version }: ExecutableCopy): Promise<string> {
  const target = join(directory, fileName);
  try {
    await requireReadable(source, directory);
    // The mode must not depend on the umask.
    await makeDirectory(directory, 0o755);
    await removeAbandoned(directory);
    await using temporary = temporaryFile(directory);
    await copyFile(source, temporary.path, constants.COPYFILE_EXCL);
    await makeDurable(temporary.path, 0o755);
    await tryOut(temporary.path, directory, version);
    await rename(temporary.path, target);
    await writeVersion(directory, version);
    await syncDirectory(directory);
    return target;
  } catch (error) {
    if (error instanceof OperatorError) throw error;
    throw installFailure(directory, error);
  }
}

/** A file can be executable without being readable. */
async function requireReadable(source: string, directory: string): Promise<void> {
  try {
    await access(source, constants.R_OK);
  } catch (error) {
    if (!hasCode(error, "EACCES")) throw error;
    throw new OperatorError({
      code: "INSTALL_FAILED",
      attempt: `copy the executable into ${directory}`,
      reason: "this user may run the executable but not read it",
      remedy: "make it readable (chmod a+r), or install as a user who may read it",
      cause: error,
    });
  }
}

function temporaryFile(directory: string): AsyncDisposable & { readonly path: string } {
  const path = join(directory, `${temporaryPrefix}${process.pid}.${crypto.randomUUID()}`);
  return { path, [Symbol.asyncDispose]: () => rm(path, { force: true }) };
}

async function makeDurable(path: string, mode: number): Promise<void> {
  await using file = await open(path, "r+");
  // The umask does not apply to chmod.
  await file.chmod(mode);
  await file.sync();
}

/** A reader never sees a partial version file, nor one without a complete executable. */
async function writeVersion(directory: string, version: string): Promise<void> {
  await using temporary = temporaryFile(directory);
  await writeFile(temporary.path, `${version}\n`, { flag: "wx" });
  await makeDurable(temporary.path, 0o644);
  await rename(temporary.path, join(directory, versionFileName));
}

async function syncDirectory(directory: string): Promise<void> {
  await using handle = await open(directory, "r");
  await handle.sync();
}

async function removeAbandoned(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    if (!name.startsWith(temporaryPrefix)) continue;
    const path = join(directory, name);
    // Another installation may have removed it already.
    const found = await stat(path).catch(() => undefined);
    if (found !== undefined && found.mtimeMs < Date.now() - abandonedAfterMs) await rm(path, { force: true });
  }
}

async function tryOut(path: string, directory: string, version: string): Promise<void> {
  const result = await runCommand({
    // An absolute path: a bare name would be looked up on PATH.
    file: resolve(path),
    args: ["--version"],
    env: {},
    timeoutMs: trialTimeoutMs,
    outputBytesMax: 4_096,
  });
  if (result.kind === "exited" && result.code === 0 && result.stdout.includes(version)) return;

  throw new OperatorError({
    attempt: `run the copy in ${directory}`,
    ...whyNotRun(result, await programMachine(path)),
    ...(result.kind === "unstarted" ? { cause: result.cause } : {}),
  });
}

/** The architecture is examined only after the trial: with a registered emulator, foreign programs run too. */
function whyNotRun(
  result: CommandResult,
  machine: string | undefined,
): Pick<OperatorErrorFields, "code" | "reason" | "remedy"> {
  if (result.kind === "unstarted" && result.cause.code === "EACCES") {
    return {
      code: "INSTALL_NOEXEC",
      reason: "the kernel refuses to execute it; the file system may be mounted noexec",
      remedy: "mount a volume there that allows execution",
    };
  }
  if (machine !== undefined && (machine !== process.arch || isUnknownToKernel(result))) {
    return {
      code: "INSTALL_WRONG_MACHINE",
      reason: `it is a program for ${machine}, which this machine cannot run`,
      remedy: "use the image for this kind of machine",
    };
  }
  return {
    code: "INSTALL_NOT_EXECUTABLE",
    reason: result.kind === "unstarted" ? result.cause.message : whyFailed(result),
    remedy: "fix that and try again; nothing was installed",
  };
}

/**
 * Whether the kernel did not recognize the file as a program. The C library then has a shell read it as a
 * script, so the error comes from the shell, if one exists. This also happens when the agent itself runs under
 * an emulator, where `process.arch` is the emulated architecture.
 */
function isUnknownToKernel(result: CommandResult): boolean {
  if (result.kind === "unstarted") return ["ENOENT", "ENOEXEC"].includes(result.cause.code ?? "");
  if (result.kind !== "exited" || result.stderr.includes(loadersWords)) return false;
  return exitCodesOfShell.has(result.code);
}

/** The dynamic loader exits with 127 too, but the kernel has recognized the file. */
const loadersWords = "error while loading shared libraries";

/** Syntax error, cannot execute, not found. `--version` never exits with these. */
const exitCodesOfShell: ReadonlySet<number> = new Set([2, 126, 127]);

function whyFailed(result: { readonly kind: string; readonly stderr: string }): string {
  const lastWords = result.stderr.trim().split("\n").at(-1);
  return lastWords === undefined || lastWords === "" ? `it ${result.kind} without output` : lastWords;
}

function installFailure(directory: string, error: unknown): OperatorError {
  return new OperatorError({
    code: "INSTALL_FAILED",
    attempt: `copy the executable into ${directory}`,
    reason: messageOf(error),
    remedy: remedies.get(codeOf(error) ?? "") ?? "check the folder and its permissions",
    cause: error,
  });
}

const remedies: ReadonlyMap<string, string> = new Map([
  ["ENOSPC", "free 140 MB on that volume"],
  ["EDQUOT", "free 140 MB of that quota"],
  [
    "EROFS",
    "mount the volume writable in this container; the containers that use the agent can mount it read-only",
  ],
  ["EACCES", "run this container as a user who may write there"],
  ["EPERM", "run this container as a user who may write there"],
  ["ENOENT", "name a folder on a volume; this one takes no files (like /proc)"],
  ["EEXIST", "name a folder; this is a file"],
  ["ENOTDIR", "name a folder; part of this path is a file"],
]);
