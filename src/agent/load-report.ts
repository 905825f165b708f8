/** The report of `packs load`: what was created, updated, removed, and what was already as its file says. */
import type { LoadReport } from "../packs/load-packs.ts";
import type { PackProblem } from "../packs/pack-problem.ts";

interface ToldLoad extends LoadReport {
  readonly warnings: readonly PackProblem[];
  /** Into which database; without credentials. */
  readonly database: string;
}

/** A line for each definition, what was touched first, and last the counts. */
export function loadReportText({ changes, unchanged, database }: ToldLoad): string {
  const counts = (["created", "updated", "removed"] as const).map(
    (word) => `${changes.filter(({ change }) => change === word).length} ${word}`,
  );
  return [
    ...changes.map(({ change, kind, ref }) => `${change.padEnd(wordWidth)} ${kind} ${ref}`),
    ...unchanged.map(({ kind, ref }) => `${"unchanged".padEnd(wordWidth)} ${kind} ${ref}`),
    `${[...counts, `${unchanged.length} unchanged`].join(", ")} in ${database}`,
    "",
  ].join("\n");
}

const wordWidth = "unchanged".length;

export function loadReportJson(report: ToldLoad): string {
  const { database, changes, unchanged, warnings } = report;
  return `${JSON.stringify({ database, changes, unchanged, warnings }, undefined, 2)}\n`;
}
