/** The report of `packs load`: definitions created, updated, removed and unchanged. */
import type { LoadReport } from "../packs/load-packs.ts";
import type { PackWarning, WarningKind } from "../packs/pack-problem.ts";

interface DatabaseLoad extends LoadReport {
  readonly warnings: readonly PackWarning[];
  /** The database loaded into, without credentials. */
  readonly database: string;
}

/** A line for each definition, changed ones first, then the counts. The warnings themselves are in the log. */
export function loadReportText({ changes, unchanged, warnings, database }: DatabaseLoad): string {
  const counts = (["created", "updated", "removed"] as const).map(
    (word) => `${changes.filter(({ change }) => change === word).length} ${word}`,
  );
  return [
    ...changes.map(({ change, kind, ref }) => `${change.padEnd(wordWidth)} ${kind} ${ref}`),
    ...unchanged.map(({ kind, ref }) => `${"unchanged".padEnd(wordWidth)} ${kind} ${ref}`),
    `${[...counts, `${unchanged.length} unchanged`].join(", ")} in ${database}`,
    ...warningCounts(warnings),
    "",
  ].join("\n");
}

function warningCounts(warnings: readonly PackWarning[]): readonly string[] {
  if (warnings.length === 0) return [];
  const of = (kind: WarningKind): readonly PackWarning[] =>
    warnings.filter((warning) => warning.kind === kind);
  const [failing, doubtful] = [of("sensor-fails").length, of("rule-doubtful").length];
  // One file may have several warnings.
  const ignoring = new Set(of("keys-ignored").map(({ directory, file }) => `${directory}/${file}`)).size;
  const parts = [
    ...(failing === 0 ? [] : [`${failing} about sensors that will not work`]),
    ...(doubtful === 0 ? [] : [`${doubtful} about conditions that look wrong`]),
    ...(ignoring === 0
      ? []
      : [`${ignoring === 1 ? "1 file" : `${ignoring} files`} with keys that are ignored`]),
  ];
  return [`warnings: ${parts.join(", ")}`];
}

const wordWidth = "unchanged".length;

export function loadReportJson(report: DatabaseLoad): string {
  const { database, changes, unchanged, warnings } = report;
  return `${JSON.stringify({ database, changes, unchanged, warnings }, undefined, 2)}\n`;
}
