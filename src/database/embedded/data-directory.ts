/**
 * The lock on the embedded database's directory: two processes in one would destroy it.
 *
 * The file `lock` names its holder. Node offers no lock that the kernel releases with the process, so
 * whoever finds the file judges whether the holder still lives:
 *
 * - In the same PID namespace of the same boot, by the process: its id and, since ids are reused, the
 *   time it started.
 * - Elsewhere (another container on the same volume, or one that was recreated), by whether the file is
 *   being renewed: a holder touches it every `renewalMs`.
 *
 * The file appears complete or not at all (`link` of a finished file fails if the name is taken). A dead
 * holder's file is moved away before a new one is made; whoever finds that it moved away a file other
 * than the one it judged, since another taker was faster, puts it back.
 */
import { randomUUID } from "node:crypto";
import {
  linkSync,
  readFileSync,
  readlinkSync,
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
import { processStat } from "../../files/process-stat.ts";
import { makeDirectory } from "../../files/make-directory.ts";

interface Holder {
  readonly pid: number;
  /** Clock ticks since boot; empty where the system does not say. */
  readonly startedAt: string;
  /** Boot and PID namespace: where `pid` means something. */
  readonly place: string;
  readonly token: string;
}

const renewalMs = 2_000;

/** The database itself, in its data directory; not there before its first start. */
export function databaseFolder(directory: string): string {
  return join(directory, "postgresql");
}

/**
 * Makes the directory if needed and takes its lock until disposal.
 *
 * @throws OperatorError DATA_DIRECTORY_IN_USE when a live process holds it
 */
export async function lockDataDirectory(directory: string): Promise<Disposable> {
  await makeDirectory(directory, 0o700);
  const path = join(directory, "lock");
  const own: Holder = {
    pid: process.pid,
    startedAt: processStat(process.pid)?.startTime ?? "",
    place: presentPlace(),
    token: randomUUID(),
  };

  while (!appear(path, own)) {
    const found = readHolder(path);
    if (found === "gone") continue;
    if (found !== "unreadable" && (await isAlive(found, path))) throw inUse(directory, found);
    moveAway(path, found);
  }

  const renewal = setInterval(() => renew(path), renewalMs);
  renewal.unref();
  return {
    [Symbol.dispose]() {
      clearInterval(renewal);
      const found = readHolder(path);
      if (typeof found === "object" && found.token === own.token) rmSync(path, { force: true });
    },
  };
}

/** False when the name is taken. */
function appear(path: string, own: Holder): boolean {
  const draft = `${path}.${own.token}`;
  writeFileSync(draft, JSON.stringify(own), { mode: 0o600 });
  try {
    linkSync(draft, path);
    return true;
  } catch (error) {
    if (!hasCode(error, "EEXIST")) throw error;
    return false;
  } finally {
    rmSync(draft);
  }
}

function readHolder(path: string): Holder | "gone" | "unreadable" {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
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
    return "unreadable"; // Cut short by a full disk or a crash of the machine: nobody's.
  }
}

async function isAlive(holder: Holder, path: string): Promise<boolean> {
  if (holder.place === presentPlace()) {
    return isRunning(holder.pid) && (processStat(holder.pid)?.startTime ?? "") === holder.startedAt;
  }
  const seenMs = renewedAtMs(path);
  await delay(2 * renewalMs + 500);
  return renewedAtMs(path) !== seenMs;
}

function moveAway(path: string, judged: Holder | "unreadable"): void {
  const aside = `${path}.${randomUUID()}`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if (hasCode(error, "ENOENT")) return; // Another taker was faster.
    throw error;
  }
  const moved = readHolder(aside);
  if (typeof moved === "object" && (judged === "unreadable" || moved.token !== judged.token))
    linkSync(aside, path);
  rmSync(aside);
}

function renew(path: string): void {
  try {
    utimesSync(path, new Date(), new Date());
  } catch {
    // A full or failing disk; the database will say so in its own words.
  }
}

function renewedAtMs(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs;
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return hasCode(error, "EPERM"); // Running, as somebody else.
  }
}

function presentPlace(): string {
  const boot = readIfThere("/proc/sys/kernel/random/boot_id")?.trim() ?? "";
  try {
    return `${boot} ${readlinkSync("/proc/self/ns/pid")}`;
  } catch {
    return boot;
  }
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

function inUse(directory: string, { pid }: Holder): OperatorError {
  return new OperatorError({
    code: "DATA_DIRECTORY_IN_USE",
    attempt: `open the embedded database in ${directory}`,
    reason: `process ${pid} uses it`,
    remedy: "stop that process, or give this one a data directory of its own or a database.url",
  });
}
