import { expect, test } from "vitest";
import { keepEverything } from "../../../src/model/retention/keep-limits.ts";
import { dayMs } from "../../../src/model/retention/partition-plan.ts";
import { arePilingUp } from "../../../src/model/retention/retired-partitions.ts";

const limits = { ...keepEverything, days: 30 };
const nowMs = Date.parse("2026-12-01T00:00:00Z");

test("one retired partition is at work, a second one shows that the first does not go", () => {
  expect(arePilingUp([], limits, nowMs)).toBe(false);
  expect(arePilingUp(["event_before"], limits, nowMs)).toBe(false);
  expect(arePilingUp(["event_from_1"], limits, nowMs)).toBe(false);
  expect(arePilingUp(["event_from_1", "event_from_10000001"], limits, nowMs)).toBe(true);
});

test("stray rows that were retired beside it count once they are as old as a partition becomes", () => {
  const rest = (ageMs: number): string => `event_rest_${nowMs - ageMs}`;

  expect(arePilingUp(["event_from_1", rest(0), rest(dayMs)], limits, nowMs)).toBe(false);
  expect(arePilingUp([rest(dayMs + 1)], limits, nowMs)).toBe(true);
});
