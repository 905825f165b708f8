/**
 * Counts passed and failed tests from vitest's JSON report and exit status.
 *
 * No failure is missed: a file that failed without a failed test (it could not be loaded, or a hook threw) counts as
 * one failure, and so does an exit status that the report does not explain (a crash, an error outside of any test, a
 * missing report, or no tests).
 */
import { isJsonObject, type JsonValue } from "../../src/model/json/json.ts";

export interface TestCounts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** @param report the output of vitest's reporter `json`; undefined if there is none */
export function testCounts(report: JsonValue | undefined, endedWell: boolean): TestCounts {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const file of listIn(report, "testResults")) {
    const statuses = listIn(file, "assertionResults").map((each) => textIn(each, "status"));
    const failed = statuses.filter((status) => status === "failed").length;
    counts.passed += statuses.filter((status) => status === "passed").length;
    counts.skipped += statuses.filter((status) => status !== "passed" && status !== "failed").length;
    counts.failed += failed === 0 && textIn(file, "status") === "failed" ? 1 : failed;
  }
  const isExplained = endedWell ? counts.passed > 0 : counts.failed > 0;
  return isExplained ? counts : { ...counts, failed: counts.failed + 1 };
}

function listIn(value: JsonValue | undefined, key: string): readonly JsonValue[] {
  const list = isJsonObject(value) ? value[key] : undefined;
  return Array.isArray(list) ? list : [];
}

function textIn(value: JsonValue, key: string): JsonValue | undefined {
  return isJsonObject(value) ? value[key] : undefined;
}
