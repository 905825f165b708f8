/** Reads the kernel's process table. */
import { readdir } from "node:fs/promises";
import { readProcessStat } from "../files/process-stat.ts";

const readsAtOnceMax = 64;

/** Whether a process of the group is still running; zombies do not count. */
export async function isGroupRunning(group: number): Promise<boolean> {
  const members = await processesWhere(async (pid) => {
    const stat = await readProcessStat(pid);
    return stat !== undefined && stat.group === group && stat.isAlive;
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
