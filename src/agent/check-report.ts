/** The report of `packs check` as text, as JSON, or as GitHub workflow annotations. */
import { join } from "node:path";
import { describeProblem, type PackProblem, type PackWarning } from "../packs/pack-problem.ts";
import type { CheckFormat } from "./check-formats.ts";
import type { Named } from "../packs/references.ts";
import { counted } from "../model/texts/counted.ts";
import { linesText } from "./client/output.ts";
import { jsonReport } from "./json-report.ts";

export interface PackCheckReport {
  readonly packs: readonly string[];
  readonly problems: readonly PackProblem[];
  readonly warnings: readonly PackWarning[];
  /** What the packs refer to but do not define. It must be in the database when they are loaded. */
  readonly needed: readonly Named[];
}

export function checkReport(report: PackCheckReport, format: CheckFormat): string {
  switch (format) {
    case "text":
      return text(report);
    case "json":
      return jsonReport({ ...report, needed: distinct(report.needed) });
    case "github":
      return annotations(report);
  }
}

function text({ packs, problems, warnings, needed }: PackCheckReport): string {
  const names = distinct(needed).map(({ kind, ref }) => `${kind} ${ref}`);
  return linesText([
    ...problems.map((problem) => `problem: ${describeProblem(problem)}`),
    ...warnings.map((warning) => `warning: ${describeProblem(warning)}`),
    ...(names.length === 0 ? [] : [`must be in the database: ${names.join(", ")}`]),
    `${counted(packs.length, "pack")} read, ${counted(problems.length, "problem")}, ${counted(warnings.length, "warning")}`,
  ]);
}

function distinct(named: readonly Named[]): readonly Named[] {
  return [...new Map(named.map(({ kind, ref }) => [`${kind} ${ref}`, { kind, ref }])).values()];
}

/** Workflow commands: https://docs.github.com/actions/reference/workflow-commands-for-github-actions */
function annotations({ problems, warnings }: PackCheckReport): string {
  const lines = [
    ...problems.map((problem) => annotation("error", problem)),
    ...warnings.map((warning) => annotation("warning", warning)),
  ];
  return lines.map((line) => `${line}\n`).join("");
}

function annotation(
  level: "error" | "warning",
  { directory, file, line, field, reason }: PackProblem,
): string {
  const place = file === null ? directory : join(directory, file);
  const message = [field, reason].filter((part) => part !== null).join(" ");
  return `::${level} file=${property(place)},line=${Math.max(line, 1)}::${data(message)}`;
}

/** Unescaped percent signs and line ends would end a command or change it. */
function data(value: string): string {
  return value.replaceAll("%", "%25").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
}

function property(value: string): string {
  return data(value).replaceAll(":", "%3A").replaceAll(",", "%2C");
}
