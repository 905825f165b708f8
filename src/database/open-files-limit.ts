import { readFileSync } from "node:fs";

/**
 * How many files this process may have open at once; undefined where the system does not say or sets no
 * limit. Node has raised the soft limit to the hard one when it started, so this is both.
 */
export function openFilesLimit(): number | undefined {
  let limits: string;
  try {
    limits = readFileSync("/proc/self/limits", "utf8");
  } catch {
    return undefined;
  }
  const limit = /^Max open files +(\d+) /m.exec(limits)?.[1];
  return limit === undefined ? undefined : Number(limit);
}
