import { expect, test } from "vitest";
import { nextFires } from "../../../src/model/schedules/forecast.ts";
import { planOf } from "./support.ts";

const afterMs = Date.parse("2026-11-28T12:00:00Z");
const hourly = { expression: "0 * * * *" };

function fires(params: Parameters<typeof planOf>[1], executionCount: number, countMax: number): string[] {
  return nextFires(planOf("core.crontimer", params), { afterMs, executionCount }, countMax).map(
    ({ scheduledMs }) => new Date(scheduledMs).toISOString().slice(0, 16),
  );
}

test("the next fires follow a pause, and one at its very end is among them", () => {
  expect(fires({ ...hourly, paused_until: "2026-12-01T08:00" }, 0, 2)).toEqual([
    "2026-12-01T08:00",
    "2026-12-01T09:00",
  ]);
  expect(fires({ ...hourly, paused_until: "2026-11-01T08:00" }, 0, 1)).toEqual(["2026-11-28T13:00"]);
});

test("no more fires are foretold than max_fires allows, and none after the end", () => {
  expect(fires({ ...hourly, max_fires: 5 }, 3, 10)).toEqual(["2026-11-28T13:00", "2026-11-28T14:00"]);
  expect(fires({ ...hourly, max_fires: 5 }, 6, 10)).toEqual([]);
  expect(fires({ ...hourly, end_at: "2026-11-28T13:30" }, 0, 10)).toEqual(["2026-11-28T13:00"]);
});
