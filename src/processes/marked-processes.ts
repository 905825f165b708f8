/**
 * Processes found by an entry of their environment.
 *
 * A descendant can leave its group and session and lose its parent; what it was started with stays
 * readable in /proc/<pid>/environ. One that clears its environment and leaves its session is out of
 * reach, as is one of another user: both are deliberate.
 */
import { readFile } from "node:fs/promises";
import { processesWhere } from "./process-table.ts";

const roundsMax = 5;

/**
 * Kills every process whose environment has the entry, and those they fork meanwhile.
 *
 * @param marker `NAME=value`
 */
export async function killMarked(marker: string): Promise<void> {
  const killed = new Set<number>();
  // Killing takes a moment and a process may fork in it: look again until nothing new is found.
  for (let round = 0; round < roundsMax; round += 1) {
    const marked = await processesWhere(async (pid) => {
      const environment = await readFile(`/proc/${pid}/environ`, "latin1");
      return environment.split("\0").includes(marker);
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
    // ESRCH: it has ended. EPERM: it changed its user (setuid) and is not ours to end.
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code !== "ESRCH" && code !== "EPERM") throw error;
  }
}
