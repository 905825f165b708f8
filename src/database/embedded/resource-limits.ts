/** Resource limits that the embedded database needs, checked before it is opened. */
import { readFileSync } from "node:fs";
import { OperatorError } from "../../errors/operator-error.ts";
import { bytesText } from "../../model/texts/bytes-text.ts";

interface Resource {
  /** The name in /proc/self/limits. */
  readonly limitName: string;
  readonly needed: number;
  /** What is needed, and the actual limit. */
  readonly lacking: (limit: number) => string;
  readonly remedy: string;
}

const resources: readonly Resource[] = [
  {
    // The engine's files, which engine.ts limits, plus room for Node, the API and a few sensors. With fewer it would fail
    // later with a misleading message: "could not create file: File exists".
    limitName: "Max open files",
    needed: 256,
    lacking: (limit) => `it needs a limit of 256 open files, and this process has one of ${limit}`,
    remedy: "ulimit -n, --ulimit nofile=, LimitNOFILE=",
  },
  {
    // The engine stores tables in files of up to 1 GiB. A write beyond the limit is truncated, and then the database
    // looks damaged.
    limitName: "Max file size",
    needed: 1024 ** 3,
    lacking: (limit) =>
      `it needs files of up to 1 GiB, and this process may write files of ${bytesText(limit)} only`,
    remedy: "ulimit -f, --ulimit fsize=, LimitFSIZE=",
  },
];

/** @throws OperatorError DATABASE_UNREACHABLE if a limit of this process is too low */
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

/** Node raises the soft limit to the hard limit at start-up, so this is both. */
export function openFilesLimit(): number | undefined {
  return limitOf("Max open files");
}

/** The soft limit of this process; undefined if the system sets or reports none. */
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
