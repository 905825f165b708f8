import { expect, test } from "vitest";
import { testCounts } from "../../scripts/testing/test-counts.ts";

const file = (status: string, ...tests: readonly string[]) => ({
  status,
  assertionResults: tests.map((each) => ({ status: each })),
});
const report = (...testResults: readonly ReturnType<typeof file>[]) => ({ testResults });

test("passed, failed and skipped tests are counted over all files", () => {
  const seen = report(
    file("passed", "passed", "pending", "todo"),
    file("failed", "passed", "failed", "failed"),
  );

  expect(testCounts(seen, false)).toEqual({ passed: 2, failed: 2, skipped: 2 });
});

test("a file that could not be loaded is a failure", () => {
  expect(testCounts(report(file("passed", "passed"), file("failed")), false)).toEqual({
    passed: 1,
    failed: 1,
    skipped: 0,
  });
});

test("an error outside of any test is a failure", () => {
  expect(testCounts(report(file("passed", "passed")), false)).toEqual({ passed: 1, failed: 1, skipped: 0 });
});

test("a crash that left no report is a failure", () => {
  expect(testCounts(undefined, false)).toEqual({ passed: 0, failed: 1, skipped: 0 });
});

test("a run without a single test is a failure", () => {
  expect(testCounts(report(), true)).toEqual({ passed: 0, failed: 1, skipped: 0 });
});

test("a run in which everything passed has no failure", () => {
  expect(testCounts(report(file("passed", "passed")), true)).toEqual({ passed: 1, failed: 0, skipped: 0 });
});
