import { execFileSync } from "node:child_process";
import { availableParallelism } from "node:os";
import { childrenOf } from "./processor-seconds.ts";

/** Who is kept off the first core while it belongs to somebody else: for `taskset`. */
export const otherCores = `1-${availableParallelism() - 1}`;

/** Lets a process and its children, also later ones, run on the first core only, until disposed. Needs two cores. */
export function keepOnFirstCore(pid: number): Disposable {
  const allow = (cores: string): void => {
    for (const each of [pid, ...childrenOf(pid)]) setAffinity(each, cores);
  };
  allow("0");
  return { [Symbol.dispose]: () => allow(`0-${availableParallelism() - 1}`) };
}

function setAffinity(pid: number, cores: string): void {
  try {
    execFileSync("taskset", ["--all-tasks", "--pid", "--cpu-list", cores, String(pid)], { stdio: "ignore" });
  } catch {
    // It has ended.
  }
}
