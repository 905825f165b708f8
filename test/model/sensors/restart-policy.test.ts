import * as fc from "fast-check";
import { expect, test } from "vitest";
import {
  describeExit,
  judgeExit,
  type EndedRun,
  type RestartLimits,
} from "../../../src/model/sensors/restart-policy.ts";

const limits: RestartLimits = {
  isRestartEnabled: true,
  delayMsFirst: 1_000,
  delayMsMax: 300_000,
  restartsMax: 3,
  stableAfterMs: 60_000,
};
const crash: EndedRun = { exit: { kind: "exited", code: 1 }, uptimeMs: 10, hadSuccess: false };

test("a sensor that crashes young is restarted ever later, then failed once, then tried at the ceiling", () => {
  let failures = 0;
  const verdicts = Array.from({ length: 6 }, () => {
    const verdict = judgeExit(crash, failures, limits, 0);
    ({ failures } = verdict);
    return verdict;
  });

  expect(verdicts).toEqual([
    { kind: "restart", failures: 1, delayMs: 1_000 },
    { kind: "restart", failures: 2, delayMs: 2_000 },
    { kind: "restart", failures: 3, delayMs: 4_000 },
    { kind: "failed", failures: 4, delayMs: 300_000, isNew: true },
    { kind: "failed", failures: 5, delayMs: 300_000, isNew: false },
    { kind: "failed", failures: 6, delayMs: 300_000, isNew: false },
  ]);
});

// Goal: whatever a sensor does, it is neither restarted in a spin nor beyond the ceiling, and it is
// announced once per row of failures.
// Method: arbitrary uptimes, successes and randomness, followed for many exits.
test("delays stay within their bounds, and each row of failures is announced at most once", () => {
  const run = fc.record({
    exit: fc.constantFrom(
      { kind: "exited", code: 0 } as const,
      { kind: "signalled", signal: "SIGKILL" } as const,
      { kind: "closed-output" } as const,
    ),
    uptimeMs: fc.oneof(fc.nat(59_999), fc.nat(10_000_000)),
    hadSuccess: fc.boolean(),
  });

  fc.assert(
    fc.property(
      fc.array(run, { maxLength: 60 }),
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      (runs, random) => {
        let failures = 0;
        let isAnnounced = false;
        for (const ended of runs) {
          const verdict = judgeExit(ended, failures, limits, random);
          const delayMs = verdict.delayMs ?? 0;
          expect(delayMs).toBeGreaterThanOrEqual(750);
          expect(delayMs).toBeLessThanOrEqual(300_000);
          if (verdict.failures === 1) isAnnounced = false;
          if (verdict.kind === "failed" && verdict.isNew) {
            expect(isAnnounced).toBe(false);
            isAnnounced = true;
          }
          expect(verdict.kind).toBe(verdict.failures > limits.restartsMax ? "failed" : "restart");
          ({ failures } = verdict);
        }
      },
    ),
  );
});

test("a stable run, or a successful poll, forgives earlier failures", () => {
  const stable = judgeExit({ ...crash, uptimeMs: limits.stableAfterMs }, 9, limits, 0);
  const polled = judgeExit({ ...crash, hadSuccess: true }, 9, limits, 0);

  expect(stable).toEqual({ kind: "restart", failures: 1, delayMs: 1_000 });
  expect(polled).toEqual(stable);
});

test("with restarts disabled the first end is final", () => {
  expect(judgeExit(crash, 0, { ...limits, isRestartEnabled: false }, 0)).toEqual({
    kind: "failed",
    failures: 1,
    delayMs: null,
    isNew: true,
  });
});

test("an exit is described in words", () => {
  expect(describeExit({ kind: "signalled", signal: "SIGSEGV" })).toBe("it was killed by SIGSEGV");
  expect(describeExit({ kind: "unstarted", reason: "the script x does not exist" })).toBe(
    "the script x does not exist",
  );
});
