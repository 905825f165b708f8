import * as fc from "fast-check";
import { expect, test } from "vitest";
import { nextSlotMs, phaseOf, slotAfterRunMs } from "../../../src/model/sensors/poll-schedule.ts";

test("the next slot is on the schedule, not before it is wanted, and less than an interval after", () => {
  const milliseconds = fc.nat(10_000_000);

  fc.assert(
    fc.property(
      milliseconds,
      fc.integer({ min: 1, max: 1_000_000 }),
      milliseconds,
      (anchorMs, intervalMs, earliestMs) => {
        const slotMs = nextSlotMs({ anchorMs, intervalMs }, earliestMs);

        expect((slotMs - anchorMs) % intervalMs).toBe(0);
        expect(slotMs).toBeGreaterThanOrEqual(earliestMs);
        expect(slotMs).toBeGreaterThanOrEqual(anchorMs);
        expect(slotMs - Math.max(earliestMs, anchorMs)).toBeLessThan(intervalMs);
      },
    ),
  );
});

test("after a run comes a slot, at least half an interval later and at most one and a half", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 2, max: 1_000_000 }),
      fc.nat(10_000),
      fc.nat(10_000_000),
      (intervalMs, n, startMs) => {
        const schedule = { anchorMs: startMs + phaseOf(n) * intervalMs, intervalMs };
        const gapMs = slotAfterRunMs(schedule, startMs, startMs) - startMs;
        expect(gapMs).toBeGreaterThanOrEqual(intervalMs / 2);
        expect(gapMs).toBeLessThanOrEqual(intervalMs * 1.5 + 1);
        // And from then on the slots themselves.
        const slotMs = startMs + gapMs;
        expect(slotAfterRunMs(schedule, slotMs, slotMs) - slotMs).toBeCloseTo(intervalMs, 3);
      },
    ),
  );
});

test("sensors that start together run spread over the interval, however many they are; one alone is anchored to its start", () => {
  expect(phaseOf(0)).toBe(0);
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 3_000 }), (count) => {
      const phases = Array.from({ length: count }, (_, n) => phaseOf(n));
      const tenths = Array.from(
        { length: 10 },
        (_, tenth) => phases.filter((phase) => Math.floor(phase * 10) === tenth).length,
      );
      // Never far more than its share in any tenth of the interval.
      expect(Math.max(...tenths)).toBeLessThanOrEqual(count / 10 + Math.log2(count) + 2);
    }),
    { numRuns: 200 },
  );
});
