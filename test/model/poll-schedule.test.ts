import * as fc from "fast-check";
import { expect, test } from "vitest";
import { nextSlotMs } from "../../src/model/poll-schedule.ts";

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
