/** Prints doctor's findings: a column of subjects, with remedy and output lines below each. */
import { redactUrls } from "../model/texts/redaction.ts";
import type { Finding } from "../diagnosis/finding.ts";
import { linesText } from "./client/output.ts";
import { jsonReport } from "./json-report.ts";

const marks = { good: "✓", notice: "-", wrong: "✗" } as const;

/** A longer subject shifts its own detail only. */
const subjectWidthMax = 36;

export function findingsText(findings: readonly Finding[]): string {
  const width = Math.min(subjectWidthMax, Math.max(...findings.map(({ subject }) => subject.length)));
  const indent = " ".repeat(width + 4);
  const lines = findings.flatMap(({ state, subject, detail, remedy, lines: said }) => [
    `${marks[state]} ${subject.padEnd(width)}  ${detail}`,
    ...(remedy === null ? [] : [`${indent}→ ${remedy}`]),
    ...said.map((line) => `${indent}│ ${line}`),
  ]);
  return redactUrls(linesText([...lines, verdict(findings)]));
}

export function findingsJson(findings: readonly Finding[]): string {
  const isHealthy = findings.every(({ state }) => state !== "wrong");
  return redactUrls(jsonReport({ healthy: isHealthy, findings }));
}

function verdict(findings: readonly Finding[]): string {
  const wrongCount = findings.filter(({ state }) => state === "wrong").length;
  if (wrongCount === 0) return "Nothing is wrong.";
  return `${wrongCount} of ${findings.length} findings ${wrongCount === 1 ? "is" : "are"} wrong.`;
}
