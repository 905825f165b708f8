import { processStat } from "../../src/files/process-stat.ts";

/** Whether the process exists and is not a zombie. */
export function isRunning(pid: number): boolean {
  return processStat(pid)?.isAlive ?? false;
}
