import type { ChildProcess } from "node:child_process";

/** Whether the process has exited or was killed by a signal. */
export function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}
