import { readdirSync, readFileSync } from "node:fs";

const ticksPerSecond = 100;

/** Processor time of the process so far, in user and system mode; 0 if it has ended. */
export function processorSeconds(pid: number): number {
  const fields = statOf(pid);
  return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) / ticksPerSecond;
}

/** Processor time of a database server and its processes, also of those that have ended. */
export function serverSeconds(serverPid: number): number {
  const fields = statOf(serverPid);
  const ofEnded = (Number(fields[13] ?? 0) + Number(fields[14] ?? 0)) / ticksPerSecond;
  return [serverPid, ...childrenOf(serverPid)].reduce((sum, pid) => sum + processorSeconds(pid), ofEnded);
}

export function childrenOf(parentPid: number): readonly number[] {
  const pids = readdirSync("/proc").map(Number);
  return pids.filter((pid) => !Number.isNaN(pid) && Number(statOf(pid)[1]) === parentPid);
}

/** The fields of its stat behind the name, from the state on; none if it has ended. */
function statOf(pid: number): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  } catch {
    return [];
  }
}
