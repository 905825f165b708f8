/**
 * Reads /proc/<pid>/stat.
 *
 * @see proc_pid_stat(5)
 */
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";

export interface ProcessStat {
  /** False for a zombie, which has ended but is not reaped yet. */
  readonly isAlive: boolean;
  readonly group: number;
  /** Clock ticks since boot. With the pid it identifies a process uniquely, since pids are not reused within a tick. */
  readonly startTime: string;
}

/** Undefined if the process does not exist. */
export function processStat(pid: number): ProcessStat | undefined {
  try {
    return parse(readFileSync(pathOf(pid), "latin1"));
  } catch {
    return undefined;
  }
}

/** Like `processStat`, without blocking the event loop, for many processes. */
export async function readProcessStat(pid: number): Promise<ProcessStat | undefined> {
  return await readFile(pathOf(pid), "latin1").then(parse, () => undefined);
}

function pathOf(pid: number): string {
  return `/proc/${pid}/stat`;
}

function parse(line: string): ProcessStat {
  // The second field is the program's name in parentheses and may itself contain spaces and parentheses.
  const fields = line.slice(line.lastIndexOf(")") + 2).split(" ");
  const [state = "", , group = ""] = fields;
  return { isAlive: state !== "Z" && state !== "X", group: Number(group), startTime: fields[22 - 3] ?? "" };
}
