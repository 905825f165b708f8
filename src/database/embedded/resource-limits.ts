/** What the embedded database asks of the system before it is opened. */
import { readFileSync } from "node:fs";
import { OperatorError } from "../../errors/operator-error.ts";

interface Resource {
  /** As in /proc/self/limits. */
  readonly limitName: string;
  readonly needed: number;
  /** What is needed, and what there is instead. */
  readonly lacking: (limit: number) => string;
  readonly remedy: string;
}

const resources: readonly Resource[] = [
  {
    // The engine's own, which engine.ts bounds, and room for Node, the API and a few sensors. Without
    // them it would fail later and in other words: "could not create file: File exists".
    limitName: "Max open files",
    needed: 256,
    lacking: (limit) => `it needs a limit of 256 open files, and this process has one of ${limit}`,
    remedy: "ulimit -n, --ulimit nofile=, LimitNOFILE=",
  },
  {
    // The engine keeps tables in files of up to 1 GiB. A write that goes beyond the limit is cut short, and
    // the database looks damaged.
    limitName: "Max file size",
    needed: 1024 ** 3,
    lacking: (limit) =>
      `it needs files of up to 1 GiB, and this process may write files of ${limit} bytes only`,
    remedy: "ulimit -f, --ulimit fsize=, LimitFSIZE=",
  },
];

/** @throws OperatorError DATABASE_UNREACHABLE when this process may not use as much as it needs */
export function demandResources(directory: string): void {
  for (const { limitName, needed, lacking, remedy } of resources) {
    const limit = limitOf(limitName);
    if (limit === undefined || limit >= needed) continue;
    throw new OperatorError({
      code: "DATABASE_UNREACHABLE",
      attempt: `open the embedded database in ${directory}`,
      reason: lacking(limit),
      remedy: `raise the limit (${remedy}), or set database.url`,
    });
  }
}

/** Node has raised the soft limit to the hard one when it started, so this is both. */
export function openFilesLimit(): number | undefined {
  return limitOf("Max open files");
}

/** Of this process, the soft one; undefined where the system does not say or sets none. */
function limitOf(name: string): number | undefined {
  let limits: string;
  try {
    limits = readFileSync("/proc/self/limits", "utf8");
  } catch {
    return undefined;
  }
  const limit = new RegExp(`^${name} +(\\d+) `, "m").exec(limits)?.[1];
  return limit === undefined ? undefined : Number(limit);
}
