/**
 * What the kernel says of a process in /proc/<pid>/stat.
 *
 * @see proc_pid_stat(5)
 */
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";

export interface ProcessStat {
  /** Whether it runs or sleeps; a zombie, which has ended and waits to be reaped, does not. */
  readonly isAlive: boolean;
  readonly group: number;
  /** Clock ticks since boot. With its number this names a process for good: a number is reused, but not at the same tick. */
  readonly startTime: string;
}

/** Undefined when there is no such process. */
export function processStat(pid: number): ProcessStat | undefined {
  try {
    return parse(readFileSync(pathOf(pid), "latin1"));
  } catch {
    return undefined;
  }
}

/** As `processStat`, for many processes: the event loop runs on meanwhile. */
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
