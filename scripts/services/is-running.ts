import { processStat } from "../../src/files/process-stat.ts";

/** Whether a process of that number exists and is more than a zombie. */
export function isRunning(pid: number): boolean {
  return processStat(pid)?.isAlive ?? false;
}
