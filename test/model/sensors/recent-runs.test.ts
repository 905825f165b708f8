import fc from "fast-check";
import { expect, test } from "vitest";
import {
  failuresAmong,
  isUnsteady,
  withFailure,
  withRun,
  type RecentRuns,
} from "../../../src/model/sensors/recent-runs.ts";

/** As they are noted: each begins as one that has not failed. */
function after(outcomes: readonly boolean[]): RecentRuns {
  return outcomes.reduce<RecentRuns>((runs, hasFailed) => {
    const begun = withRun(runs, false);
    return hasFailed ? withFailure(begun) : begun;
  }, []);
}

test("only the last ten runs count, whatever was before", () => {
  fc.assert(
    fc.property(fc.array(fc.boolean(), { maxLength: 40 }), (outcomes) => {
      expect(after(outcomes)).toEqual(outcomes.slice(-10));
    }),
  );
});

test.each([
  ["every other run fails", [true, false, true, false], true],
  ["every fourth run fails", [true, false, false, false, true, false, false, false], true],
  ["one run of four has failed", [false, true, false, false], false],
  ["one run of ten has failed", [false, false, false, true, false, false, false, false, false, false], false],
  ["all of the first three have failed", [true, true, true], false],
  ["none has failed", [false, false, false, false, false], false],
  ["it failed long ago", [true, true, true, true, ...Array.from({ length: 10 }, () => false)], false],
])("%s: unsteady is %s", (_name, outcomes, expected) => {
  const runs = after(outcomes);

  expect(isUnsteady(runs.length, failuresAmong(runs))).toBe(expected);
});
