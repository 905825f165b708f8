import fc from "fast-check";
import { expect, test } from "vitest";
import { lastLookAtMs, replacedAtMs } from "../../../src/model/sensors/token-schedule.ts";

const hourMs = 3_600_000;

test("a token of a day is replaced after 80 % and its program looked at a quarter of an hour before its end", () => {
  const life = { mintedAtMs: 0, expiresAtMs: 24 * hourMs };

  expect(replacedAtMs(life)).toBe(19.2 * hourMs);
  expect(lastLookAtMs(life)).toBe(24 * hourMs - 864_000);
  expect(lastLookAtMs({ mintedAtMs: 0, expiresAtMs: 72 * hourMs })).toBe(71.75 * hourMs);
});

// Goal: clients that read the state file always find the next token in time.
// Method: let the machine choose lifetimes, also such as the configuration does not allow.
test("whatever the lifetime, a token is replaced first, then its program looked at, then it expires", () => {
  fc.assert(
    fc.property(fc.nat(1_000_000), fc.integer({ min: 1, max: 259_200_000 }), (mintedAtMs, lifeMs) => {
      const life = { mintedAtMs, expiresAtMs: mintedAtMs + lifeMs };
      const [replacedMs, lookMs] = [replacedAtMs(life), lastLookAtMs(life)];

      expect(mintedAtMs).toBeLessThanOrEqual(replacedMs);
      expect(replacedMs).toBeLessThanOrEqual(lookMs);
      expect(lookMs).toBeLessThanOrEqual(life.expiresAtMs);
      if (lifeMs < 60_000) return;
      expect(life.expiresAtMs - replacedMs).toBeGreaterThanOrEqual(60_000);
      expect(life.expiresAtMs - lookMs).toBeGreaterThanOrEqual(30_000);
      expect(lookMs - replacedMs).toBeGreaterThanOrEqual(30_000);
    }),
  );
});
