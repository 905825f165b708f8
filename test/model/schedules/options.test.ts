import { describe, expect, test } from "vitest";
import type { JsonObject } from "../../../src/model/json/json.ts";
import { decodeTimer, timerProblems } from "../../../src/model/schedules/timer-plan.ts";
import { firesOf, scheduleOf } from "./support.ts";

function days(params: JsonObject, from: string, to: string): string[] {
  const schedule = scheduleOf("core.crontimer", params);
  return firesOf(schedule, Date.parse(from) - 1, Date.parse(to)).map((ms) =>
    Temporal.Instant.fromEpochMilliseconds(ms).toZonedDateTimeISO(schedule.zone).toPlainDate().toString(),
  );
}

describe("core.datetimetimer", () => {
  const createdMs = Date.parse("2026-11-28T12:00:00Z");

  test("fires once, at a time with an offset or in the zone", () => {
    const atMs = Date.parse("2026-12-24T17:00:00Z");
    for (const params of [
      { fire_at: "2026-12-24T18:00:00+01:00" },
      { fire_at: "2026-12-24T18:00", timezone: "Europe/Berlin" },
    ]) {
      const schedule = scheduleOf("core.datetimetimer", params, createdMs);
      expect(schedule.next(0)?.scheduledMs).toBe(atMs);
      expect(schedule.next(atMs)).toBeUndefined();
    }
  });

  test("does not fire if it was past when the rule was created", () => {
    const schedule = scheduleOf("core.datetimetimer", { fire_at: "2026-11-28T12:00:00Z" }, createdMs);
    expect(schedule.next(0)).toBeUndefined();
  });

  test("a local time that the clock leaps over is the moment of the change, and a repeated one is the first", () => {
    const fireAt = (fire_at: string) =>
      scheduleOf("core.datetimetimer", { fire_at, timezone: "Europe/Berlin" }).next(0)?.scheduledMs;
    expect(fireAt("2027-03-28T02:30")).toBe(Date.parse("2027-03-28T01:00Z"));
    expect(fireAt("2027-10-31T02:30")).toBe(Date.parse("2027-10-31T00:30Z"));
  });

  test.each([
    [{}, "fire_at", "is required"],
    [
      { fire_at: "2027-02-30T10:00" },
      "fire_at",
      'must be a date and time like 2026-12-31T18:00:00+01:00, not "2027-02-30T10:00"',
    ],
    [
      { fire_at: "2027-02-20T24:01" },
      "fire_at",
      'must be a date and time like 2026-12-31T18:00:00+01:00, not "2027-02-20T24:01"',
    ],
    [{ fire_at: 5 }, "fire_at", "must be text, not 5"],
    [{ fire_at: "9999-12-31" }, "fire_at", "must be before the year 3000, not 9999-12-31"],
    [{ fire_at: "1960-01-01" }, "fire_at", "leaves no time at which it could fire"],
    [
      { fire_at: "2027-01-01", start_at: "9999-12-31" },
      "start_at",
      "must be before the year 3000, not 9999-12-31",
    ],
    [{ fire_at: "2027-01-01", start_at: "2028-01-01" }, "start_at", "leaves no time at which it could fire"],
    [{ fire_at: "2027-02-20", exclude: "2027-02-20" }, "exclude", "leaves no time at which it could fire"],
  ])("%j is refused", (params, name, reason) => {
    expect(timerProblems("core.datetimetimer", params)).toContainEqual({ place: [name], reason });
  });
});

describe("exclude", () => {
  const daily = { expression: "0 23 * * *", timezone: "America/New_York" };

  test("leaves out dates, ranges, days of every year, weekdays and rules, as the zone's clock shows them", () => {
    const exclude = [
      "2026-12-21",
      "2026-12-23/2026-12-24",
      "12-25",
      "Sat",
      "sunday",
      "FREQ=MONTHLY;BYMONTHDAY=-1",
    ];
    expect(days({ ...daily, exclude }, "2026-12-19T12:00Z", "2027-01-03T12:00Z")).toEqual([
      "2026-12-22",
      "2026-12-28",
      "2026-12-29",
      "2026-12-30",
      "2027-01-01",
    ]);
  });

  test("takes calendars from the configuration of the sensor", () => {
    const params = { ...daily, exclude: ["calendar:company"] };
    const rule = { id: "1", ref: "p.r", createdMs: Date.parse("2026-12-24T12:00Z") };
    const decode = (calendars: JsonObject) => decodeTimer("core.crontimer", params, { ...rule, calendars });

    const decoded = decode({ company: ["12-24", "12-25"] });
    if (decoded.kind === "invalid") throw new Error(decoded.problem);
    expect(decoded.value.schedule.next(0)?.scheduledMs).toBe(Date.parse("2026-12-26T23:00-05:00"));
    expect(decode({ compony: [] })).toEqual({
      kind: "invalid",
      problem:
        "exclude[0]: names the calendar company, which the sensor core.timers does not configure; did you mean compony?",
    });
    // Whether it is configured is not known when a rule is saved.
    expect(timerProblems("core.crontimer", params)).toEqual([]);
  });

  test("skips a timer of seconds over a long range in one step", () => {
    const params = { expression: "* * * * * *", exclude: ["2026-01-02/2999-01-01"] };
    const schedule = scheduleOf("core.crontimer", params);
    expect(schedule.next(Date.parse("2026-01-01T23:59:59Z"))?.scheduledMs).toBeUndefined();
  });

  test.each([
    ["2026-02-30"],
    ["someday"],
    ["2026-12-24/2026-12-01"],
    ["FREQ=HOURLY;BYDAY=MO"],
    ["FREQ=WEEKLY"],
    ["FREQ=DAILY;COUNT=3;BYDAY=MO"],
    [20261224],
  ])("%j is refused", (entry) => {
    const problems = timerProblems("core.crontimer", { ...daily, exclude: [entry] });
    expect(problems).toMatchObject([{ place: ["exclude", 0] }]);
  });

  test("is refused if it leaves no day", () => {
    const exclude = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    expect(timerProblems("core.crontimer", { ...daily, exclude })).toEqual([
      { place: ["exclude"], reason: "leaves no time at which it could fire" },
    ]);
  });
});

describe("absurd params", () => {
  test.each([
    ["core.timer", { interval_seconds: 1, catch_up: { mode: "all", window: 31_536_000 } }, "catch_up"],
    ["core.crontimer", { expression: "* * * * * *", catch_up: "all" }, "catch_up"],
    ["core.timer", { interval_seconds: 60, jitter: 61 }, "jitter"],
    ["core.crontimer", { expression: "* 9 * * *", spread: 90 }, "spread"],
    ["core.crontimer", { expression: "*/5 * * * *", jitter: 200, spread: 200 }, "jitter"],
    ["core.crontimer", { expression: "0 0 29 2 *", start_at: "2027-01-01", end_at: "2027-12-31" }, "end_at"],
  ])("%s with %j is refused", (triggerRef, params, name) => {
    expect(timerProblems(triggerRef, params)).toMatchObject([{ place: [name] }]);
  });

  test("jitter and spread together must be shorter than the time between two fires", () => {
    const params = { expression: "*/5 * * * *", jitter: 200, spread: 200 };
    expect(timerProblems("core.crontimer", params)).toEqual([
      {
        place: ["jitter"],
        reason: "must be at most 300 s together with spread, the shortest time between two fires, not 400 s",
      },
    ]);
  });

  test("an end or a pause in the far future is for ever", () => {
    const params = { interval: 5, end_at: "9999-12-31", paused_until: "9999-12-31" };
    expect(timerProblems("core.timer", params)).toEqual([]);
  });

  test("what is only large is not", () => {
    expect(timerProblems("core.timer", { interval_seconds: 10, catch_up: "all" })).toEqual([]);
    expect(timerProblems("core.crontimer", { expression: "0,30 * * * *", jitter: 1_800 })).toEqual([]);
  });
});
