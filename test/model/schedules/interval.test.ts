import { expect, test } from "vitest";
import { timerProblems } from "../../../src/model/schedules/timer-plan.ts";
import { firesOf, planOf, scheduleOf } from "./support.ts";

const createdMs = Date.parse("2026-11-28T12:00:00.250Z");

test("an interval is counted from the rule's creation, whenever it is asked", () => {
  const schedule = scheduleOf("core.intervaltimer", { interval: 5, unit: "seconds" }, createdMs);

  expect(schedule.next(0)?.scheduledMs).toBe(createdMs + 5_000);
  expect(schedule.next(createdMs + 5_000)?.scheduledMs).toBe(createdMs + 10_000);
  expect(schedule.next(createdMs + 86_400_001)?.scheduledMs).toBe(createdMs + 86_405_000);
});

test("an interval is counted from start_at if that is given, and includes it", () => {
  const params = { interval: 6, unit: "hours", start_at: "2026-12-01T06:00", timezone: "Europe/Berlin" };
  const schedule = scheduleOf("core.intervaltimer", params, createdMs);

  const fires = firesOf(schedule, createdMs, Date.parse("2026-12-01T18:00Z"));
  expect(fires.map((ms) => new Date(ms).toISOString())).toEqual([
    "2026-12-01T05:00:00.000Z",
    "2026-12-01T11:00:00.000Z",
    "2026-12-01T17:00:00.000Z",
  ]);
});

test("a start before the rule's creation aligns the slots, but none of them is before the creation", () => {
  const params = { interval: 15, unit: "minutes", start_at: "2026-01-01T00:00:00Z" };
  const schedule = scheduleOf("core.intervaltimer", params, createdMs);

  expect(schedule.next(0)?.scheduledMs).toBe(Date.parse("2026-11-28T12:15:00Z"));
});

test("core.timer counts in interval_seconds, fractions included", () => {
  const schedule = scheduleOf("core.timer", { interval_seconds: 0.5 }, createdMs);

  expect(schedule.next(createdMs)?.scheduledMs).toBe(createdMs + 500);
});

test("an end that is a date includes that day", () => {
  const params = { interval: 1, unit: "hours", end_at: "2026-11-28", timezone: "Asia/Kolkata" };
  const fires = firesOf(
    scheduleOf("core.intervaltimer", params, createdMs),
    0,
    Date.parse("2027-01-01T00:00Z"),
  );

  // Midnight in Kolkata is 18:30 in UTC.
  expect(new Date(fires.at(-1) ?? 0).toISOString()).toBe("2026-11-28T18:00:00.250Z");
});

test("jitter and spread delay a slot by the same amount every time, and spread delays all slots alike", () => {
  const jittered = scheduleOf("core.timer", { interval_seconds: 60, jitter: 10 });
  const delays = Array.from({ length: 200 }, (_, index) => {
    const slot = jittered.next(index * 60_000);
    expect(jittered.next(index * 60_000)).toEqual(slot);
    return (slot?.dueMs ?? 0) - (slot?.scheduledMs ?? 0);
  });
  expect(Math.min(...delays)).toBeLessThan(1_000);
  expect(Math.max(...delays)).toBeGreaterThan(9_000);
  expect(Math.max(...delays)).toBeLessThan(10_000);

  const spread = scheduleOf("core.timer", { interval_seconds: 60, spread: 30 });
  const shifts = [0, 1, 2, 3].map((index) => {
    const slot = spread.next(index * 60_000);
    return (slot?.dueMs ?? 0) - (slot?.scheduledMs ?? 0);
  });
  expect(new Set(shifts).size).toBe(1);
});

test("a plan without options catches up with the last slot of a day, and skips what passed while it was disabled", () => {
  expect(planOf("core.timer", { interval_seconds: 1 })).toMatchObject({
    catchUp: { mode: "last", windowSeconds: 86_400, spacingSeconds: 1 },
    onResume: "skip",
    pausedUntilMs: null,
    firesMax: null,
    note: null,
  });
});

test("options are read", () => {
  const params = {
    interval: 1,
    unit: "days",
    catch_up: { mode: "all", window: 604_800, spacing: 0 },
    on_resume: "last",
    paused_until: "2027-01-01",
    timezone: "Europe/Berlin",
    max_fires: 3,
    note: "until the move is over",
  };

  expect(planOf("core.intervaltimer", params)).toMatchObject({
    catchUp: { mode: "all", windowSeconds: 604_800, spacingSeconds: 0 },
    onResume: "last",
    pausedUntilMs: Date.parse("2026-12-31T23:00:00Z"),
    firesMax: 3,
    note: "until the move is over",
  });
  expect(planOf("core.timer", { interval_seconds: 1, catch_up: "none" }).catchUp.mode).toBe("none");
});

test.each([
  [{}, "interval", "is required"],
  [{ interval: 0 }, "interval", "must be greater than 0, not 0"],
  [{ interval: -5, unit: "minutes" }, "interval", "must be greater than 0, not -5"],
  [{ interval: 0.01 }, "interval", "must be at least 0.1 seconds, not 0.01"],
  [{ interval: 1e9, unit: "days" }, "interval", "must be at most 100 years, not 86400000000000 seconds"],
  [{ interval: "5" }, "interval", 'must be a number, not "5"'],
  [{ interval: 5, unit: "weeks" }, "unit", 'must be seconds, minutes, hours or days, not "weeks"'],
  [{ interval: 5, interval_seconds: 5 }, "interval_seconds", "must not be beside interval"],
  [{ interval: 5, max_fires: 0 }, "max_fires", "must be at least 1, not 0"],
  [{ interval: 5, max_fires: 1.5 }, "max_fires", "must be a whole number, not 1.5"],
  [{ interval: 5, on_resume: "none" }, "on_resume", 'must be skip, last or all, not "none"'],
  [{ interval: 5, jitter: -1 }, "jitter", "must be at least 0, not -1"],
  [{ interval: 5, timezon: "UTC" }, "timezon", "is not a param of this trigger; did you mean timezone?"],
  [
    { interval: 5, start_at: "tomorrow" },
    "start_at",
    'must be a date and time like 2026-12-31T18:00:00+01:00, not "tomorrow"',
  ],
  [
    { interval: 5, end_at: "2026-02-30" },
    "end_at",
    'must be a date and time like 2026-12-31T18:00:00+01:00, not "2026-02-30"',
  ],
  [{ interval: 5, start_at: "2027-01-02", end_at: "2027-01-01" }, "end_at", "must not be before start_at"],
])("%j is refused", (params, name, reason) => {
  expect(timerProblems("core.intervaltimer", params)).toEqual([{ place: [name], reason }]);
});

test("a mistake inside catch_up is placed there", () => {
  expect(
    timerProblems("core.timer", { interval_seconds: 1, catch_up: { mode: "some", windows: 5 } }),
  ).toEqual([
    { place: ["catch_up", "mode"], reason: 'must be none, last or all, not "some"' },
    { place: ["catch_up", "windows"], reason: "is not a param of this trigger; did you mean window?" },
  ]);
});
