import { expect, test } from "vitest";
import { lookAtClock, type ClockLook, type ClockTrust } from "../../../src/model/retention/clock-leap.ts";

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const nowMs = 20_000 * dayMs;

/** Looks one after the other; `leapMs` is how far the database's clock is ahead, `atMs` when. */
function looked(
  ...looks: readonly { readonly atMs: number; readonly leapMs?: number; readonly ownMs?: number }[]
): ClockTrust | undefined {
  return looks.reduce<ClockTrust | undefined>((trust, { atMs, leapMs = 0, ownMs = nowMs + atMs }) => {
    const look: ClockLook = { databaseMs: nowMs + atMs + leapMs, ownMs, upMs: 5 * dayMs + atMs };
    return lookAtClock(trust, look);
  }, undefined);
}

test("a clock that goes as time does is trusted, however long nobody looked, and through small corrections", () => {
  const trust = looked(
    { atMs: 0, leapMs: 59_000 },
    { atMs: 40 * dayMs },
    { atMs: 41 * dayMs, leapMs: 50_000 },
    { atMs: 42 * dayMs, leapMs: -30 * dayMs },
    { atMs: 43 * dayMs, leapMs: 0 - 30 * dayMs },
  );
  expect(trust).toMatchObject({ doubtedUntilMs: null });
});

test("a clock that leapt ahead by an hour is doubted for a day, then trusted", () => {
  const leap = { atMs: 1_000, leapMs: hourMs };
  expect(looked({ atMs: 0 }, { atMs: 1_000, leapMs: hourMs - 1 })).toMatchObject({ doubtedUntilMs: null });
  expect(looked({ atMs: 0 }, leap)).toMatchObject({ aheadMs: hourMs, doubtedUntilMs: 6 * dayMs + 1_000 });
  expect(looked({ atMs: 0 }, leap, { ...leap, atMs: dayMs })?.doubtedUntilMs).not.toBeNull();
  const passed = [{ atMs: 0 }, leap, { ...leap, atMs: dayMs + 1_000 }];
  expect(looked(...passed)).toMatchObject({ aheadMs: 0, doubtedUntilMs: null });
  // It stays trusted, and is doubted anew if it leaps again.
  expect(looked(...passed, { ...leap, atMs: 2 * dayMs })?.doubtedUntilMs).toBeNull();
  expect(looked(...passed, { leapMs: 3 * hourMs, atMs: 2 * dayMs })).toMatchObject({
    aheadMs: 2 * hourMs,
    doubtedUntilMs: 8 * dayMs,
  });
});

test("a clock that was set back after its leap is trusted at once", () => {
  const leap = { atMs: 1_000, leapMs: 40 * dayMs };
  expect(looked({ atMs: 0 }, leap, { atMs: 2_000 })).toMatchObject({ doubtedUntilMs: null });
  expect(looked({ atMs: 0 }, leap, { atMs: 2_000, leapMs: 20 * dayMs })?.doubtedUntilMs).not.toBeNull();
});

test("the first look compares with the machine's own clock, if that is behind", () => {
  expect(looked({ atMs: 0, ownMs: nowMs - 40 * dayMs })).toMatchObject({ doubtedUntilMs: 6 * dayMs });
  expect(looked({ atMs: 0, ownMs: nowMs + 40 * dayMs })).toMatchObject({ doubtedUntilMs: null });
});
