import fc from "fast-check";
import { expect, test } from "vitest";
import { mayHaveLapsedOthers } from "../../src/model/outage.ts";

const times = fc.record({
  renewalIntervalMs: fc.integer({ min: 1, max: 10_000 }),
  /** Of the lease, beyond two intervals. */
  restMs: fc.integer({ min: 0, max: 60_000 }),
  outageMs: fc.integer({ min: 1, max: 120_000 }),
});

test("whenever a lease of a worker that renews in time can have lapsed, that is seen", () => {
  const waits = fc.record({ sinceRenewal: fc.nat(10_000), untilRetry: fc.nat(10_000), own: fc.nat(20_000) });
  fc.assert(
    fc.property(
      times,
      waits,
      ({ renewalIntervalMs, restMs, outageMs }, { sinceRenewal, untilRetry, own }) => {
        const leaseMs = 2 * renewalIntervalMs + restMs;
        const othersAbsentMs =
          Math.min(sinceRenewal, renewalIntervalMs) + outageMs + Math.min(untilRetry, renewalIntervalMs);
        fc.pre(othersAbsentMs > leaseMs);

        const absence = { absentMs: outageMs + own, hasFailed: true, leaseMs, renewalIntervalMs };
        expect(mayHaveLapsedOthers(absence)).toBe(true);
      },
    ),
  );
});

test("without a failure, only an absence of more than a lease counts: slow answers delay no takeover", () => {
  fc.assert(
    fc.property(times, ({ renewalIntervalMs, restMs, outageMs }) => {
      const leaseMs = 2 * renewalIntervalMs + restMs;
      const absence = { absentMs: outageMs, hasFailed: false, leaseMs, renewalIntervalMs };
      expect(mayHaveLapsedOthers(absence)).toBe(outageMs > leaseMs);
    }),
  );
});
