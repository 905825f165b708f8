/**
 * Finds processes by an entry of their environment.
 *
 * A descendant can leave its group and session and lose its parent, but its initial environment stays readable
 * in /proc/<pid>/environ. One that clears its environment and leaves its session cannot be found, nor can one of
 * another user; both do so deliberately.
 *
 * A search reads all of /proc. Callers that ask in the same turn of the event loop, or during a search, share the next
 * one, so /proc is read only a few times however many sensors end at once.
 */
import { readFile } from "node:fs/promises";
import { setImmediate as turn } from "node:timers/promises";
import { hasCode } from "../errors/caught.ts";
import { processesWhere } from "./process-table.ts";

interface Look {
  readonly markers: Set<string>;
  readonly done: Promise<void>;
}

const roundsMax = 5;

/** A search that has not begun and can take more markers. */
let nextLook: Look | undefined;
/** Settles with the last requested search; never rejects. */
let lastLook: Promise<unknown> = Promise.resolve();

/**
 * Kills every process whose environment has the entry, and any they fork meanwhile.
 *
 * @param marker `NAME=value`
 */
export function killMarked(marker: string): Promise<void> {
  nextLook ??= planLook();
  nextLook.markers.add(marker);
  return nextLook.done;
}

function planLook(): Look {
  const markers = new Set<string>();
  const done = lastLook.then(async () => {
    // Processes that end together are reaped in one turn.
    await turn();
    nextLook = undefined;
    return killAll(markers);
  });
  lastLook = done.catch(() => {});
  return { markers, done };
}

async function killAll(markers: ReadonlySet<string>): Promise<void> {
  const killed = new Set<number>();
  // A process may fork before it is killed, so search again until nothing new is found.
  for (let round = 0; round < roundsMax; round += 1) {
    const marked = await processesWhere(async (pid) => {
      const environment = await readFile(`/proc/${pid}/environ`, "latin1");
      return environment.split("\0").some((entry) => markers.has(entry));
    });
    const found = marked.filter((pid) => !killed.has(pid));
    if (found.length === 0) return;
    for (const pid of found) {
      killed.add(pid);
      kill(pid);
    }
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    // ESRCH: it has ended. EPERM: it changed its user (setuid) and must not be killed.
    if (!hasCode(error, "ESRCH", "EPERM")) throw error;
  }
}
