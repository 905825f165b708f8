import { expect, test } from "vitest";
import { PlacementSchedule } from "../../src/scheduling/placement-schedule.ts";

const intervals = { lookIntervalMs: 30_000, renewalIntervalMs: 10_000 };

function scheduleOf(rank?: number): PlacementSchedule {
  const schedule = new PlacementSchedule(intervals, 1_000);
  if (rank !== undefined) schedule.setRank(rank);
  return schedule;
}

test("the first worker acts on a hint at once, the next two later each, and others not at all", () => {
  const restsMs = [0, 1, 2, 3].map((rank) => {
    const schedule = scheduleOf(rank);
    schedule.hint(2_000);
    return schedule.restMs(2_000);
  });

  expect(restsMs).toEqual([0, 500, 1_000, 299_000]);
});

test("a hint before the rank is known is left to the first interval", () => {
  const schedule = scheduleOf();
  schedule.hint(2_000);
  schedule.setRank(0);

  expect(schedule.restMs(2_000)).toBe(29_000);
});

test("later hints do not postpone an earlier one, and a round takes all of them", () => {
  const schedule = scheduleOf(2);
  schedule.hint(2_000);
  schedule.hint(2_900);
  expect(schedule.restMs(2_900)).toBe(100);

  schedule.begin();
  schedule.end(3_000, { isIncomplete: false });
  expect(schedule.restMs(3_000)).toBe(300_000);
});

test("a hint during a round is for the next one", () => {
  const schedule = scheduleOf(0);
  schedule.begin();
  schedule.hint(2_000);
  schedule.end(3_000, { isIncomplete: false });

  expect(schedule.restMs(3_000)).toBeLessThanOrEqual(0);
});

test("without a hint the first worker looks at every interval, and others ten times more rarely", () => {
  expect([0, 1, 3, undefined].map((rank) => scheduleOf(rank).restMs(1_000))).toEqual([
    30_000, 300_000, 300_000, 300_000,
  ]);
});

test("an incomplete round is followed by another at the next renewal, whatever the rank", () => {
  for (const rank of [0, 2]) {
    const schedule = scheduleOf(rank);
    schedule.begin();
    schedule.end(5_000, { isIncomplete: true });
    expect(schedule.restMs(5_000)).toBe(10_000);
  }
});

test("only a change of the rank is news", () => {
  const schedule = scheduleOf();

  expect([2, 2, 0].map((rank) => [schedule.setRank(rank), schedule.isFirst])).toEqual([
    [true, false],
    [false, false],
    [true, true],
  ]);
});
