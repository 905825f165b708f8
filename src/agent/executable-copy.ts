/**
 * A copy of the executable in another folder, which is either whole and proven, or not there.
 *
 * It is written under a temporary name, executed once, and only then given its own name. So whoever
 * starts the agent from that folder, at any moment and from any number of containers, finds the old
 * file or the new one; and a folder where nothing can be executed, or a file for another kind of machine, is
 * an error here and not in the container that wants to run sensors.
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

/** A temporary file that nobody has written to for so long was left behind by somebody who was killed. */
const abandonedAfterMs = 600_000;

/** Under an emulator, and with a cold page cache, a start takes seconds. */
const trialTimeoutMs = 60_000;

export interface ExecutableCopy {
  readonly source: string;
  readonly directory: string;
  readonly version: string;
}

/** Returns the path of the copy. Throws an OperatorError, and then leaves nothing behind. */
export async function copyExecutable({ source, directory, version }: ExecutableCopy): Promise<string> {
  const target = join(directory, fileName);
  try {
    await requireReadable(source, directory);
    // As with the files in it: the umask has no say.
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

/** To be started, a file need not be readable, so this is no matter of course. */
async function requireReadable(source: string, directory: string): Promise<void> {
  try {
    await access(source, constants.R_OK);
  } catch (error) {
    if (!hasCode(error, "EACCES")) throw error;
    throw new OperatorError({
      code: "INSTALL_FAILED",
      attempt: `copy the executable into ${directory}`,
      reason: "this user may run the executable, and not read it",
      remedy: "allow that (chmod a+r), or install as a user who may",
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
  // After the fact, since the umask is not asked by chmod.
  await file.chmod(mode);
  await file.sync();
}

/** A reader never sees half a version, and finds it only beside an executable that is complete. */
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
    // It may be gone by now: another installation is at work, too.
    const found = await stat(path).catch(() => undefined);
    if (found !== undefined && found.mtimeMs < Date.now() - abandonedAfterMs) await rm(path, { force: true });
  }
}

async function tryOut(path: string, directory: string, version: string): Promise<void> {
  const result = await runCommand({
    // In full: a name without a folder would be looked for on PATH.
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

/** Asked only after the trial: with an emulator that the kernel knows, programs for other machines run, too. */
function whyNotRun(
  result: CommandResult,
  machine: string | undefined,
): Pick<OperatorErrorFields, "code" | "reason" | "remedy"> {
  if (result.kind === "unstarted" && result.cause.code === "EACCES") {
    return {
      code: "INSTALL_NOEXEC",
      reason: "the kernel denies it, as it does on a file system mounted noexec",
      remedy: "mount a volume there that allows execution",
    };
  }
  if (machine !== undefined && (machine !== process.arch || isUnknownToKernel(result))) {
    return {
      code: "INSTALL_WRONG_MACHINE",
      reason: `it is a program for ${machine}, which this machine does not run`,
      remedy: "use the image for this kind of machine",
    };
  }
  return {
    code: "INSTALL_NOT_EXECUTABLE",
    reason: result.kind === "unstarted" ? result.cause.message : whyFailed(result),
    remedy: "mend what it complains of; nothing was installed",
  };
}

/**
 * Whether the kernel did not take a file for a program. The C library then gives it to a shell to read as a
 * script, so the failure is the shell's, if there is one. This happens also to an agent that itself runs under
 * an emulator: to it, this machine is of the kind that it is for.
 */
function isUnknownToKernel(result: CommandResult): boolean {
  if (result.kind === "unstarted") return ["ENOENT", "ENOEXEC"].includes(result.cause.code ?? "");
  if (result.kind !== "exited" || result.stderr.includes(loadersWords)) return false;
  return exitCodesOfShell.has(result.code);
}

/** It ends with 127, too, and has understood the file. */
const loadersWords = "error while loading shared libraries";

/** Of a syntax error, of what cannot be executed, of what is not found; `--version` never ends with them. */
const exitCodesOfShell: ReadonlySet<number> = new Set([2, 126, 127]);

function whyFailed(result: { readonly kind: string; readonly stderr: string }): string {
  const lastWords = result.stderr.trim().split("\n").at(-1);
  return lastWords === undefined || lastWords === "" ? `it ${result.kind} without a word` : lastWords;
}

function installFailure(directory: string, error: unknown): OperatorError {
  return new OperatorError({
    code: "INSTALL_FAILED",
    attempt: `copy the executable into ${directory}`,
    reason: messageOf(error),
    remedy: remedies.get(codeOf(error) ?? "") ?? "look at the folder and at who may write to it",
    cause: error,
  });
}

const remedies: ReadonlyMap<string, string> = new Map([
  ["ENOSPC", "make room for 130 MB on that volume"],
  ["EDQUOT", "make room for 130 MB in that quota"],
  ["EROFS", "mount the volume writable for this container; those that use the agent get it read-only"],
  ["EACCES", "run this container as a user who may write there"],
  ["EPERM", "run this container as a user who may write there"],
  ["ENOENT", "name a folder on a volume; no file can be made in this one, as in /proc"],
  ["EEXIST", "name a folder; this is a file"],
  ["ENOTDIR", "name a folder; part of this path is a file"],
]);
