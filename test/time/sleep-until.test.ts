import { expect, test } from "vitest";
import type { Clock } from "../../src/time/clock.ts";
import { sleepUntilWallTime } from "../../src/time/sleep-until.ts";

const hourMs = 3_600_000;

/** A clock whose sleeps take no time; `jump` of the wall clock happens during the sleep with that index. */
function jumpingClock(jump: { readonly during: number; readonly byMs: number } = { during: -1, byMs: 0 }) {
  let nowMs = 0;
  const sleeps: number[] = [];
  const clock: Clock = {
    nowMs: () => nowMs,
    monotonicMs: () => nowMs,
    sleep: async (ms) => {
      nowMs += ms + (sleeps.length === jump.during ? jump.byMs : 0);
      sleeps.push(ms);
    },
  };
  return { clock, sleeps };
}

test("a day is slept in steps that become shorter towards its end, and ends on time", async () => {
  const { clock, sleeps } = jumpingClock();

  await sleepUntilWallTime(24 * hourMs, clock, new AbortController().signal);

  expect(clock.nowMs()).toBe(24 * hourMs);
  expect(Math.max(...sleeps)).toBe(300_000);
  expect(sleeps.at(-2)).toBe(30_000);
  expect(sleeps.toSorted((one, other) => other - one)).toEqual(sleeps);
  // Steps of 30 s would be 2,880.
  expect(sleeps.length).toBeLessThan(1_000);
});

test.each([
  { what: "forward", byMs: 20 * hourMs, endMs: 24 * hourMs },
  { what: "beyond the instant", byMs: 30 * hourMs, endMs: 30 * hourMs + 600_000 },
  { what: "back", byMs: -2 * hourMs, endMs: 24 * hourMs },
])("a wall clock that jumps $what is noticed within five minutes", async ({ byMs, endMs }) => {
  const { clock } = jumpingClock({ during: 1, byMs });

  await sleepUntilWallTime(24 * hourMs, clock, new AbortController().signal);

  expect(clock.nowMs()).toBe(endMs);
});

test("it ends at once when the signal aborts", async () => {
  const { clock, sleeps } = jumpingClock();

  await sleepUntilWallTime(hourMs, clock, AbortSignal.abort());

  expect(sleeps).toEqual([]);
});
