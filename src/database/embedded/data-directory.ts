/**
 * The lock on the embedded database's directory, because two processes that use it at once would destroy it.
 *
 * The file `lock` names its holder, who also keeps it open and locked in the kernel. A process that finds the file checks
 * whether the holder is alive:
 *
 * - In the same PID namespace and the same boot, by the process id and, because ids are reused, its start time.
 * - Otherwise (another container on the same volume, or a recreated one), by the kernel's lock. A holder that computes for
 *   long, as the database does in its main thread, or that is frozen, still has it.
 * - Without that lock (on another machine, or on a file system that has none), by whether the file is being renewed: the
 *   holder touches it every `renewalMs`.
 *
 * The file appears atomically: `link` of a finished and locked file fails if the name is taken. Before a new one is created, a
 * dead holder's file is removed. Several processes may do that at once, so each removes only what it has locked in the kernel
 * and found to be dead: a new holder's file is locked from the beginning. Where the kernel has no such locks, the file is
 * moved away, and put back if it is not the one that was checked.
 */
import { randomUUID } from "node:crypto";
import {
  closeSync,
  fstatSync,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { hasCode } from "../../errors/caught.ts";
import { isJsonObject } from "../../model/json/json.ts";
import { OperatorError } from "../../errors/operator-error.ts";
import { isOpenFileLocked, lockOpenFile } from "../../files/kernel-lock.ts";
import { makeDirectory } from "../../files/make-directory.ts";
import { fateOf, ownMark, type ProcessMark } from "../../files/process-mark.ts";

interface Holder extends ProcessMark {
  readonly token: string;
}

const renewalMs = 2_000;
/** Removing a dead holder's file takes no time, so a lock on it is soon released. */
const removalsMax = 100;
const removalWaitMs = 20;

/** The database itself, in the data directory. It does not exist before the first start. */
export function databaseFolder(directory: string): string {
  return join(directory, "postgresql");
}

/**
 * Creates the directory if needed and holds its lock until disposal.
 *
 * @throws OperatorError DATA_DIRECTORY_IN_USE if a live process holds it
 */
export async function lockDataDirectory(directory: string): Promise<Disposable> {
  await makeDirectory(directory, 0o700);
  const path = join(directory, "lock");
  const own: Holder = {
    ...ownMark(),
    token: randomUUID(),
  };

  using held = new DisposableStack();
  const draft = `${path}.${own.token}`;
  const descriptor = openSync(draft, "wx", 0o600);
  held.defer(() => closeSync(descriptor));
  try {
    writeFileSync(descriptor, JSON.stringify(own));
    const hasKernelLocks = lockOpenFile(descriptor);
    for (let removals = 0; !appear(path, draft);) {
      const found = readHolder(path);
      if (found === "gone") continue;
      if (found !== "unreadable" && (await isAlive(found, path, hasKernelLocks)))
        throw inUse(directory, `process ${found.pid} uses it`);
      if (!hasKernelLocks) moveAway(path, found);
      else if (!removeIfDead(path, found)) {
        removals += 1;
        if (removals > removalsMax) throw inUse(directory, `another process has locked ${path}`);
        await delay(removalWaitMs);
      }
    }
  } finally {
    rmSync(draft);
  }

  const renewal = setInterval(() => renew(path), renewalMs);
  renewal.unref();
  held.defer(() => {
    clearInterval(renewal);
    const found = readHolder(path);
    if (typeof found === "object" && found.token === own.token) rmSync(path, { force: true });
  });
  return held.move();
}

/** @returns false if the name is taken */
function appear(path: string, draft: string): boolean {
  try {
    linkSync(draft, path);
    return true;
  } catch (error) {
    if (!hasCode(error, "EEXIST")) throw error;
    return false;
  }
}

/** @param file its path, or a descriptor */
function readHolder(file: string | number): Holder | "gone" | "unreadable" {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    if (hasCode(error, "ENOENT")) return "gone";
    throw error;
  }
  try {
    const value: unknown = JSON.parse(text);
    if (!isJsonObject(value)) return "unreadable";
    const { pid, startedAt, place, token } = value;
    const isComplete =
      typeof pid === "number" &&
      typeof startedAt === "string" &&
      typeof place === "string" &&
      typeof token === "string";
    return isComplete ? { pid, startedAt, place, token } : "unreadable";
  } catch {
    return "unreadable"; // Truncated by a full disk or a machine crash, so no process holds it.
  }
}

async function isAlive(holder: Holder, path: string, hasKernelLocks: boolean): Promise<boolean> {
  const fate = fateOf(holder);
  if (fate !== "elsewhere") return fate === "running";
  if (hasKernelLocks && isLocked(path)) return true;
  const seenMs = renewedAtMs(path);
  await delay(2 * renewalMs + 500);
  return renewedAtMs(path) !== seenMs;
}

function isLocked(path: string): boolean {
  let descriptor: number;
  try {
    descriptor = openSync(path, "r");
  } catch (error) {
    if (hasCode(error, "ENOENT")) return false; // Another process was faster.
    throw error;
  }
  try {
    return isOpenFileLocked(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** @returns false if another process has locked the file, to remove it or to hold it */
function removeIfDead(path: string, judged: Holder | "unreadable"): boolean {
  let descriptor: number;
  try {
    // For writing, because network file systems demand that for an exclusive lock.
    descriptor = openSync(path, "r+");
  } catch (error) {
    if (hasCode(error, "ENOENT")) return true; // Another process was faster.
    throw error;
  }
  try {
    if (!lockOpenFile(descriptor)) return false;
    const isInPlace = statSync(path, { throwIfNoEntry: false })?.ino === fstatSync(descriptor).ino;
    if (isInPlace && isSame(readHolder(descriptor), judged)) rmSync(path);
    return true;
  } finally {
    closeSync(descriptor);
  }
}

function isSame(found: Holder | "gone" | "unreadable", judged: Holder | "unreadable"): boolean {
  if (typeof found === "string" || typeof judged === "string") return found === judged;
  return found.token === judged.token;
}

function moveAway(path: string, judged: Holder | "unreadable"): void {
  const aside = `${path}.${randomUUID()}`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if (hasCode(error, "ENOENT")) return; // Another process was faster.
    throw error;
  }
  // If a third process has taken the name meanwhile, two hold it now, which only the kernel's locks exclude.
  if (!isSame(readHolder(aside), judged)) appear(path, aside);
  rmSync(aside);
}

function renew(path: string): void {
  try {
    utimesSync(path, new Date(), new Date());
  } catch {
    // A full or failing disk, which the database will report.
  }
}

function renewedAtMs(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs;
}

function inUse(directory: string, reason: string): OperatorError {
  return new OperatorError({
    code: "DATA_DIRECTORY_IN_USE",
    attempt: `open the embedded database in ${directory}`,
    reason,
    remedy: "stop that process, or give this one a data directory of its own or a database.url",
  });
}
