import fc from "fast-check";
import { expect, test } from "vitest";
import { clockJumpMs, mayHaveLapsedOthers, mayHaveMovedLeases } from "../../src/model/outage.ts";

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

const readings = fc.record({
  /** Database time minus process time. */
  offsetMs: fc.integer({ min: -1_000_000, max: 1_000_000 }),
  readAtMs: fc.integer({ min: 100_000, max: 200_000 }),
  passedMs: fc.integer({ min: 0, max: 1_000_000 }),
  delays: fc.tuple(fc.nat(5_000), fc.nat(5_000), fc.nat(5_000), fc.nat(5_000)),
});

test("a clock that was set is noticed to within what the answers took, and one that was not, never", () => {
  fc.assert(
    fc.property(
      readings,
      fc.integer({ min: -10_000_000, max: 10_000_000 }),
      ({ offsetMs, readAtMs, passedMs, delays: [a, b, c, d] }, setByMs) => {
        const before = {
          databaseMs: readAtMs + offsetMs,
          askedAtMs: readAtMs - a,
          answeredAtMs: readAtMs + b,
        };
        const laterMs = readAtMs + passedMs;
        const after = (jumpMs: number): typeof before => ({
          databaseMs: laterMs + offsetMs + jumpMs,
          askedAtMs: laterMs - c,
          answeredAtMs: laterMs + d,
        });

        expect(clockJumpMs(before, after(0))).toBe(0);
        const jumpMs = clockJumpMs(before, after(setByMs));
        expect(Math.abs(jumpMs)).toBeLessThanOrEqual(Math.abs(setByMs));
        expect(Math.abs(setByMs - jumpMs)).toBeLessThanOrEqual(a + b + c + d);
      },
    ),
  );
});

test("a clock set by a quarter of a lease or less cannot have lapsed the lease of a worker that renews in time", () => {
  expect(mayHaveMovedLeases(2_500, 10_000)).toBe(false);
  expect(mayHaveMovedLeases(-2_501, 10_000)).toBe(true);
});
