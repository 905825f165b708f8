/**
 * How many tests passed and failed, from vitest's JSON report and how vitest ended.
 *
 * The counts never flatter: a file that failed without a failed test (it could not be loaded, a hook
 * threw) is one failure, and so is an unhappy ending that the report does not explain (a crash, an
 * error outside of any test, no report at all, or no test).
 */
import { isJsonObject, type JsonValue } from "../../src/model/json/json.ts";

export interface TestCounts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** @param report what vitest's reporter `json` wrote; undefined when there is nothing to read */
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
