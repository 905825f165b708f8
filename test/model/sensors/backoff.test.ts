import fc from "fast-check";
import { expect, test } from "vitest";
import { backoffDelayMs } from "../../../src/model/sensors/backoff.ts";

const limits = { delayMsFirst: 1_000, delayMsMax: 300_000 };

test("delays double from the first up to the ceiling", () => {
  const delays = [1, 2, 3, 9, 10, 11, 1_000_000].map((failures) => backoffDelayMs(failures, limits, 0));

  expect(delays).toEqual([1_000, 2_000, 4_000, 256_000, 300_000, 300_000, 300_000]);
});

test("chance shortens a delay by at most a quarter", () => {
  const chance = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

  fc.assert(
    fc.property(fc.nat(), chance, (failures, random) => {
      const longest = backoffDelayMs(failures, limits, 0);
      const delay = backoffDelayMs(failures, limits, random);
      expect(delay).toBeLessThanOrEqual(longest);
      expect(delay).toBeGreaterThanOrEqual(longest * 0.75);
    }),
  );
});
