/**
 * Reads the kernel's process table.
 *
 * @see proc_pid_stat(5)
 */
import { readFileSync } from "node:fs";
import { readFile, readdir } from "node:fs/promises";

const readsAtOnceMax = 64;

interface ProcessStat {
  /** Z is a zombie, X is dead; anything else is alive. */
  readonly state: string;
  readonly group: number;
  /** Clock ticks since boot. */
  readonly startTime: string;
}

/**
 * When a process started. Together with its id this identifies a process uniquely, because ids are reused but
 * not within the same tick. Undefined if the process does not exist.
 */
export function startTimeOf(pid: number): string | undefined {
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, "latin1")).startTime;
  } catch {
    return undefined;
  }
}

/** Whether a process of the group is still running; zombies do not count. */
export async function isGroupRunning(group: number): Promise<boolean> {
  const members = await processesWhere(async (pid) => {
    const stat = parseStat(await readFile(`/proc/${pid}/stat`, "latin1"));
    return stat.group === group && stat.state !== "Z" && stat.state !== "X";
  });
  return members.length > 0;
}

/** The ids of all processes for which `matches` holds, except those that end meanwhile or are hidden. */
export async function processesWhere(matches: (pid: number) => Promise<boolean>): Promise<number[]> {
  const names = await readdir("/proc").catch(() => []);
  const pids = names.filter((name) => /^\d+$/.test(name)).map(Number);
  const found: number[] = [];
  for (let at = 0; at < pids.length; at += readsAtOnceMax) {
    const some = pids.slice(at, at + readsAtOnceMax);
    const areMatches = await Promise.all(some.map((pid) => matches(pid).catch(() => false)));
    found.push(...some.filter((_, index) => areMatches[index]));
  }
  return found;
}

function parseStat(line: string): ProcessStat {
  // The second field is the program's name in parentheses and may itself contain spaces and parentheses.
  const fields = line.slice(line.lastIndexOf(")") + 2).split(" ");
  const [state = "", , group = ""] = fields;
  return { state, group: Number(group), startTime: fields[22 - 3] ?? "" };
}
