/** What the embedded database asks of the system before it is opened. */
import { readFileSync } from "node:fs";
import { OperatorError } from "../errors/operator-error.ts";

/** The engine's own, which embedded-engine.ts bounds, and room for Node, the API and a few sensors. */
const openFilesNeeded = 256;

/**
 * Without enough, the engine would fail later and in other words: "could not create file: File exists".
 *
 * @throws OperatorError DATABASE_UNREACHABLE when this process may not open as many files as it needs
 */
export function demandOpenFiles(directory: string): void {
  const limit = openFilesLimit();
  if (limit === undefined || limit >= openFilesNeeded) return;
  throw new OperatorError({
    code: "DATABASE_UNREACHABLE",
    attempt: `open the embedded database in ${directory}`,
    reason: `it needs a limit of ${openFilesNeeded} open files, and this process has one of ${limit}`,
    remedy: "raise the limit (ulimit -n, --ulimit nofile=, LimitNOFILE=), or set database.url",
  });
}

/**
 * How many files this process may have open at once; undefined where the system does not say or sets no
 * limit. Node has raised the soft limit to the hard one when it started, so this is both.
 */
function openFilesLimit(): number | undefined {
  let limits: string;
  try {
    limits = readFileSync("/proc/self/limits", "utf8");
  } catch {
    return undefined;
  }
  const limit = /^Max open files +(\d+) /m.exec(limits)?.[1];
  return limit === undefined ? undefined : Number(limit);
}
