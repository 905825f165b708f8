/**
 * The lock on the embedded database's directory, because two processes that use it at once would destroy it.
 *
 * The file `lock` names its holder. Node has no lock that the kernel releases with the process, so a process that finds
 * the file checks whether the holder is alive:
 *
 * - In the same PID namespace and the same boot, by the process id and, because ids are reused, its start time.
 * - Otherwise (another container on the same volume, or a recreated one), by whether the file is being renewed: the
 *   holder touches it every `renewalMs`.
 *
 * The file appears atomically: `link` of a finished file fails if the name is taken. A dead holder's file is moved away
 * before a new one is created. If another process was faster, and so the file moved away is not the one that was
 * checked, it is put back.
 */
import { randomUUID } from "node:crypto";
import { linkSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { hasCode } from "../../errors/caught.ts";
import { isJsonObject } from "../../model/json/json.ts";
import { OperatorError } from "../../errors/operator-error.ts";
import { fateOf, ownMark, type ProcessMark } from "../../files/process-mark.ts";
import { makeDirectory } from "../../files/make-directory.ts";

interface Holder extends ProcessMark {
  readonly token: string;
}

const renewalMs = 2_000;

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

/** @returns false if the name is taken */
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
    return "unreadable"; // Truncated by a full disk or a machine crash, so no process holds it.
  }
}

async function isAlive(holder: Holder, path: string): Promise<boolean> {
  const fate = fateOf(holder);
  if (fate !== "elsewhere") return fate === "running";
  const seenMs = renewedAtMs(path);
  await delay(2 * renewalMs + 500);
  return renewedAtMs(path) !== seenMs;
}

function moveAway(path: string, judged: Holder | "unreadable"): void {
  const aside = `${path}.${randomUUID()}`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if (hasCode(error, "ENOENT")) return; // Another process was faster.
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
    // A full or failing disk, which the database will report.
  }
}

function renewedAtMs(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs;
}

function inUse(directory: string, { pid }: Holder): OperatorError {
  return new OperatorError({
    code: "DATA_DIRECTORY_IN_USE",
    attempt: `open the embedded database in ${directory}`,
    reason: `process ${pid} uses it`,
    remedy: "stop that process, or give this one a data directory of its own or a database.url",
  });
}
