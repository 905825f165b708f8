/** The report of `packs load`: definitions created, updated, removed and unchanged. */
import { kinds } from "../model/definition-schemas.ts";
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from "../model/json/json.ts";
import { counted } from "../model/texts/counted.ts";
import type { DefinitionName, LoadReport } from "../packs/load-packs.ts";
import type { PackWarning, WarningKind } from "../packs/pack-problem.ts";
import { linesText } from "./client/output.ts";
import { jsonReport } from "./json-report.ts";

interface DatabaseLoad extends LoadReport {
  readonly warnings: readonly PackWarning[];
  /** The database or platform loaded into, without credentials. */
  readonly database: string;
}

/** A line for each definition, changed ones first, then the counts. The warnings themselves are in the log. */
export function loadReportText({ changes, unchanged, warnings, database }: DatabaseLoad): string {
  const counts = changeWords.map(
    (word) => `${changes.filter(({ change }) => change === word).length} ${word}`,
  );
  return linesText([
    ...changes.map(({ change, kind, ref }) => `${change.padEnd(wordWidth)} ${kind} ${ref}`),
    ...unchanged.map(({ kind, ref }) => `${"unchanged".padEnd(wordWidth)} ${kind} ${ref}`),
    `${[...counts, `${unchanged.length} unchanged`].join(", ")} in ${database}`,
    ...warningCounts(warnings),
  ]);
}

function warningCounts(warnings: readonly PackWarning[]): readonly string[] {
  if (warnings.length === 0) return [];
  const of = (kind: WarningKind): readonly PackWarning[] =>
    warnings.filter((warning) => warning.kind === kind);
  const elsewhere = of("pack-elsewhere").length;
  const failing = of("sensor-fails").length;
  const unsaid = of("sensor-doubtful").length;
  const doubtful = of("rule-doubtful").length;
  // One file may have several warnings.
  const ignoring = new Set(of("keys-ignored").map(({ directory, file }) => `${directory}/${file}`)).size;
  const parts = [
    ...(elsewhere === 0 ? [] : [`${elsewhere} about packs that workers will not find`]),
    ...(failing === 0 ? [] : [`${failing} about sensors that will not work`]),
    ...(unsaid === 0 ? [] : [`${unsaid} about sensors without a protocol`]),
    ...(doubtful === 0 ? [] : [`${doubtful} about conditions that look wrong`]),
    ...(ignoring === 0 ? [] : [`${counted(ignoring, "file")} with keys that are ignored`]),
  ];
  return [`warnings: ${parts.join(", ")}`];
}

const changeWords = ["created", "updated", "removed"] as const;

const wordWidth = "unchanged".length;

export function loadReportJson(report: DatabaseLoad): string {
  const { database, changes, unchanged, warnings } = report;
  return jsonReport({ database, changes, unchanged, warnings });
}

/** The report in an answer of the API, which has the same form. */
export function loadReportOf(answer: JsonValue | undefined): LoadReport {
  const { changes, unchanged } = isJsonObject(answer) ? answer : {};
  return {
    changes: definitionsIn(changes).flatMap(({ name, entry }) => {
      const change = changeWords.find((word) => word === entry["change"]);
      return change === undefined ? [] : [{ ...name, change }];
    }),
    unchanged: definitionsIn(unchanged).map(({ name }) => name),
  };
}

function definitionsIn(list: JsonValue | undefined): readonly { name: DefinitionName; entry: JsonObject }[] {
  return (isJsonArray(list) ? list : []).filter(isJsonObject).flatMap((entry) => {
    const { ref } = entry;
    const kind = (["pack", ...kinds] as const).find((each) => each === entry["kind"]);
    return kind === undefined || typeof ref !== "string" ? [] : [{ name: { kind, ref }, entry }];
  });
}
