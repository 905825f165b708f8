import { readFileSync } from "node:fs";

const ticksPerSecond = 100;

/** Processor time of the process so far, in user and system mode; 0 if it has ended. */
export function processorSeconds(pid: number): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
    return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
  } catch {
    return 0;
  }
}
