/** The report of `rules lint`: for people a line for each finding, else with everything. */
import type { JsonObject } from "../model/json/json.ts";
import { counted } from "../model/texts/counted.ts";
import { entryText, linesText, type OutputFormat } from "./client/output.ts";

export interface LintFinding {
  /** Ref of the rule; null for a problem with a file or folder. */
  readonly rule: string | null;
  /** Null for a stored rule, which has no lines. */
  readonly file: string | null;
  readonly line: number | null;
  /** Such as `conditions.0.field`; null for the whole rule. */
  readonly field: string | null;
  readonly reason: string;
  /** What to do about it, with which the reason ends; null if the reason says it in another way. */
  readonly suggestion: string | null;
}

export interface LintReport {
  /** Refs of the rules that were read. */
  readonly rules: readonly string[];
  /** Why rules could not be read or used. */
  readonly problems: readonly LintFinding[];
  readonly warnings: readonly LintFinding[];
}

export function lintReport({ rules, problems, warnings }: LintReport, format: OutputFormat): string {
  if (format !== "table") {
    const entry = { rules, problems: problems.map(asJson), warnings: warnings.map(asJson) };
    return entryText(entry, format);
  }
  const lines = [
    ...problems.map((problem) => `problem: ${line(problem)}`),
    ...warnings.map((warning) => `warning: ${line(warning)}`),
    [
      `${counted(rules.length, "rule")} read`,
      counted(problems.length, "problem"),
      counted(warnings.length, "warning"),
    ].join(", "),
  ];
  return linesText(lines);
}

function line({ rule, file, line: number, field, reason }: LintFinding): string {
  // Why a stored rule could not be read names the rule itself.
  const stored = field === null ? null : rule;
  const place = file === null ? stored : number === null ? file : `${file}:${number}`;
  return [place, field, reason].filter((part) => part !== null).join(" ");
}

function asJson({ rule, file, line: number, field, reason, suggestion }: LintFinding): JsonObject {
  return { rule, file, line: number, field, reason, suggestion };
}
