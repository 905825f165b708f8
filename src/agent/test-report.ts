/** The report of `packs test` as text, as JSON, or as JUnit XML, which most build servers read. */
import { join } from "node:path";
import { describeProblem, type PackProblem } from "../packs/pack-problem.ts";
import type { PackTestCase } from "../packs/pack-tests.ts";
import type { TestFormat } from "./test-formats.ts";
import { linesText } from "./client/output.ts";
import { jsonReport } from "./json-report.ts";

export interface TestedCase {
  readonly testCase: PackTestCase;
  /** Empty if it passed. */
  readonly failures: readonly string[];
}

export interface PackTestReport {
  readonly cases: readonly TestedCase[];
  /** Why tests could not be read. */
  readonly problems: readonly PackProblem[];
  /** Rules that no case expects to match. */
  readonly untested: readonly string[];
}

export function testReport(report: PackTestReport, format: TestFormat): string {
  switch (format) {
    case "text":
      return text(report);
    case "json":
      return jsonReport(asJson(report));
    case "junit":
      return junit(report);
  }
}

function text({ cases, problems, untested }: PackTestReport): string {
  const failed = cases.filter(({ failures }) => failures.length > 0);
  return linesText([
    ...problems.map((problem) => `problem: ${describeProblem(problem)}`),
    ...failed.flatMap(({ testCase, failures }) => [
      `FAILED ${placeOf(testCase)} ${testCase.name}`,
      ...failures.map((failure) => `       ${failure}`),
    ]),
    ...(untested.length === 0 ? [] : [`no case matches ${untested.join(", ")}`]),
    `${cases.length - failed.length} passed, ${failed.length + problems.length} failed`,
  ]);
}

function asJson({ cases, problems, untested }: PackTestReport) {
  return {
    cases: cases.map(({ testCase: { name, packRef, directory, file, line }, failures }) => ({
      name,
      pack: packRef,
      file: join(directory, file),
      line,
      passed: failures.length === 0,
      failures,
    })),
    problems,
    untested,
  };
}

/** The elements that all readers of the format agree on: suites of cases with failures. */
function junit({ cases, problems }: PackTestReport): string {
  const suites = Map.groupBy(cases, ({ testCase }) => testCase.packRef);
  const lines = [...suites].flatMap(([packRef, members]) => {
    const failed = members.filter(({ failures }) => failures.length > 0).length;
    return [
      `  <testsuite name="${escaped(packRef)}" tests="${members.length}" failures="${failed}">`,
      ...members.flatMap(junitCase),
      "  </testsuite>",
    ];
  });
  const unread = problems.map(
    (problem) =>
      `    <testcase classname="packs" name="${escaped(describeProblem(problem))}"><error message="cannot be read"/></testcase>`,
  );
  if (unread.length > 0)
    lines.push(
      `  <testsuite name="packs" tests="${unread.length}" errors="${unread.length}">`,
      ...unread,
      "  </testsuite>",
    );
  return ['<?xml version="1.0" encoding="UTF-8"?>', "<testsuites>", ...lines, "</testsuites>", ""].join("\n");
}

function junitCase({ testCase, failures }: TestedCase): readonly string[] {
  const { packRef, file, name, directory, line } = testCase;
  const head = `    <testcase classname="${escaped(`${packRef}.${file}`)}" name="${escaped(name)}" file="${escaped(join(directory, file))}" line="${line}"`;
  if (failures.length === 0) return [`${head}/>`];
  const [first = ""] = failures;
  return [
    `${head}>`,
    `      <failure message="${escaped(first)}">${escaped(failures.join("\n"))}</failure>`,
    "    </testcase>",
  ];
}

function placeOf({ directory, file, line }: PackTestCase): string {
  return `${join(directory, file)}:${line}`;
}

/** XML has no way to write most control characters. */
function escaped(value: string): string {
  return value
    .replaceAll(/[^\P{Cc}\t\n\r]|[\uFFFE\uFFFF]|\p{Surrogate}/gu, "\uFFFD")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}
