import { readdirSync, readFileSync } from "node:fs";

const ticksPerSecond = 100;

/** Processor time of the process so far, in user and system mode; 0 if it has ended. */
export function processorSeconds(pid: number): number {
  const fields = statOf(pid);
  return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) / ticksPerSecond;
}

/** Processor time of a database server and its processes, also of those that have ended. */
export function serverSeconds(serverPid: number): number {
  let seconds = 0;
  for (const name of readdirSync("/proc")) {
    const pid = Number(name);
    if (Number.isNaN(pid)) continue;
    const fields = statOf(pid);
    if (pid === serverPid) seconds += (Number(fields[13] ?? 0) + Number(fields[14] ?? 0)) / ticksPerSecond;
    if (pid === serverPid || Number(fields[1]) === serverPid) seconds += processorSeconds(pid);
  }
  return seconds;
}

/** The fields of its stat behind the name, from the state on; none if it has ended. */
function statOf(pid: number): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  } catch {
    return [];
  }
}
