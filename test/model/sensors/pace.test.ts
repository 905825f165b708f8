import fc from "fast-check";
import { expect, test } from "vitest";
import { isCrowded, type DeliveryLoad } from "../../../src/model/sensors/pace.ts";

const limits = { inFlightMin: 1_500, bytesMin: 8_000_000 };
const nowMs = 100_000;
const idle: DeliveryLoad = { inFlightCount: 0, bytesInFlight: 0, isBehind: false, confirmedAtMs: nowMs };
const full: DeliveryLoad = { ...idle, inFlightCount: 1_500, bytesInFlight: 8_000_000, isBehind: true };

const loads = fc.record({
  inFlightCount: fc.nat(3_000),
  bytesInFlight: fc.nat(16_000_000),
  isBehind: fc.boolean(),
  confirmedAtMs: fc.oneof(fc.constant(-Infinity), fc.integer({ min: nowMs - 1_000, max: nowMs })),
});

test("sources wait from a number of messages or bytes in flight on, or while messages are left", () => {
  const isCrowdedWith = (part: Partial<DeliveryLoad>): boolean =>
    isCrowded({ ...idle, ...part }, limits, nowMs);

  expect(isCrowdedWith({ inFlightCount: 1_499, bytesInFlight: 7_999_999 })).toBe(false);
  expect(isCrowdedWith({ inFlightCount: 1_500 })).toBe(true);
  expect(isCrowdedWith({ bytesInFlight: 8_000_000 })).toBe(true);
  expect(isCrowdedWith({ isBehind: true })).toBe(true);
});

test("sources wait for a broker that has confirmed something within half a second, and for no other", () => {
  const isCrowdedAfter = (ms: number): boolean =>
    isCrowded({ ...full, confirmedAtMs: nowMs - ms }, limits, nowMs);

  expect([0, 499, 500, 10_000, Infinity].map(isCrowdedAfter)).toEqual([true, true, false, false, false]);
});

// Goal: a source that waits is let go by progress of the delivery, and by nothing else.
// Method: any load, and one that is heavier in any way.
test("what is crowded stays so under a heavier load", () => {
  fc.assert(
    fc.property(loads, loads, (one, other) => {
      const heavier = {
        inFlightCount: Math.max(one.inFlightCount, other.inFlightCount),
        bytesInFlight: Math.max(one.bytesInFlight, other.bytesInFlight),
        isBehind: one.isBehind || other.isBehind,
        confirmedAtMs: Math.max(one.confirmedAtMs, other.confirmedAtMs),
      };

      if (isCrowded(one, limits, nowMs)) expect(isCrowded(heavier, limits, nowMs)).toBe(true);
    }),
  );
});

test("nobody waits while nothing is in flight and nothing is left", () => {
  fc.assert(
    fc.property(loads, ({ confirmedAtMs }) => {
      expect(isCrowded({ ...idle, confirmedAtMs }, limits, nowMs)).toBe(false);
    }),
  );
});
