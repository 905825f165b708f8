import { describe, expect, test } from "vitest";
import { decodeTimer, timerProblems } from "../../../src/model/schedules/timer-plan.ts";
import { firesOf, scheduleOf } from "./support.ts";

const cron = (expression: string, timezone = "UTC") => ({ expression, timezone });

/** The wall times of the fires of a cron timer in a zone, from one local date to another. */
function localFires(expression: string, zone: string, from: string, to: string): string[] {
  const startMs = Temporal.PlainDateTime.from(from).toZonedDateTime(zone).epochMilliseconds;
  const endMs = Temporal.PlainDateTime.from(to).toZonedDateTime(zone).epochMilliseconds;
  return firesOf(scheduleOf("core.crontimer", cron(expression, zone)), startMs - 1, endMs - 1).map((ms) =>
    Temporal.Instant.fromEpochMilliseconds(ms).toZonedDateTimeISO(zone).toString({ timeZoneName: "never" }),
  );
}

describe("fields", () => {
  test.each([
    ["30 2 * * *", ["2026-11-29T02:30", "2026-11-30T02:30"]],
    ["15 30 2 * * *", ["2026-11-29T02:30:15", "2026-11-30T02:30:15"]],
    ["0 0 29 2 *", ["2028-02-29T00:00", "2032-02-29T00:00"]],
    ["0 0 L * *", ["2026-11-30T00:00", "2026-12-31T00:00"]],
    ["0 0 LW * *", ["2026-11-30T00:00", "2026-12-31T00:00", "2027-01-29T00:00"]],
    ["0 0 15,LW * *", ["2026-11-30T00:00", "2026-12-15T00:00", "2026-12-31T00:00", "2027-01-15T00:00"]],
    ["0 0 lw,l,1W 1 *", ["2027-01-01T00:00", "2027-01-29T00:00", "2027-01-31T00:00"]],
    // Restricted, though it matches every day: the field does not begin with *.
    ["0 0 L,* * MON", ["2026-11-29T00:00", "2026-11-30T00:00"]],
    ["0 0 LW,*/15 * *", ["2026-11-30T00:00", "2026-12-01T00:00", "2026-12-16T00:00", "2026-12-31T00:00"]],
    // The first of August 2027 is a Sunday, and W does not leave the month.
    ["0 0 1W 8 *", ["2027-08-02T00:00"]],
    ["0 0 15W 8 *", ["2027-08-16T00:00"]],
    ["0 9 * * MON#1", ["2026-12-07T09:00", "2027-01-04T09:00"]],
    ["0 9 * * 5L", ["2026-12-25T09:00", "2027-01-29T09:00"]],
    ["0 9 * * FRI-SUN", ["2026-11-29T09:00", "2026-12-04T09:00", "2026-12-05T09:00"]],
    ["0 9 * JAN,mar 7", ["2027-01-03T09:00"]],
    ["@weekly", ["2026-11-29T00:00", "2026-12-06T00:00"]],
    ["0 0 ? * MON", ["2026-11-30T00:00", "2026-12-07T00:00"]],
    // Both day fields are restricted: one suffices.
    ["0 0 1 * MON", ["2026-11-30T00:00", "2026-12-01T00:00", "2026-12-07T00:00"]],
    ["0 0 13 * +FRI", ["2027-08-13T00:00"]],
    // A field that begins with * is unrestricted, as in Vixie's cron: both must match.
    ["0 0 */2 * MON", ["2026-12-07T00:00", "2026-12-21T00:00"]],
  ])("%s", (expression, expected) => {
    const schedule = scheduleOf("core.crontimer", cron(expression));
    const fires: number[] = [];
    for (let after = Date.parse("2026-11-28T12:00Z"); fires.length < expected.length;) {
      after = schedule.next(after)?.scheduledMs ?? Number.NaN;
      fires.push(after);
    }
    expect(fires).toEqual(expected.map((each) => Date.parse(`${each}Z`)));
  });

  test.each([
    ["0 0 30 2 *", "never happens: 0 0 30 2 *"],
    ["0 0 31 4,6 *", "never happens: 0 0 31 4,6 *"],
    ["0 0 32 * *", "has the day of month 32, which is not from 1 to 31"],
    ["0 0 * 13 *", "has the month 13, which is not from 1 to 12"],
    ["0 24 * * *", "has the hour 24, which is not from 0 to 23"],
    ["0 22-2 * * *", "has the hour range 22-2, which runs backwards; write 22-23,0-2"],
    ["*/0 * * * *", "has the minute */0; a step must be at least 1"],
    ["*/90 * * * *", "has the minute */90; a step must be at most 60"],
    ["5/10 * * * *", "has the minute 5/10, a step without a range; write 5-59/10"],
    ["1,,2 * * * *", "has an empty part in the minute 1,,2"],
    [
      "* * * *",
      'must have five fields (minute hour day month weekday), or six with seconds in front, not 4: "* * * *"',
    ],
    [
      "0 0 0 1 1 ? 2030",
      "must have five or six fields, not 7: a year is not supported, use start_at and end_at",
    ],
    ["0 0 L-3 * *", "uses L-3, which is not supported; L is the last day"],
    ["0 0 15,l-3 * *", "uses l-3, which is not supported; L is the last day"],
    [
      "0 0 0W * *",
      "has the day of month 0W, which is not understood; write days from 1 to 31, ranges like 1-5, steps like */2, 15W (the weekday nearest to the 15th), L (the last day) or LW (the last weekday)",
    ],
    [
      "0 0 L,W * *",
      "has the day of month L,W, which is not understood; write days from 1 to 31, ranges like 1-5, steps like */2, 15W (the weekday nearest to the 15th), L (the last day) or LW (the last weekday)",
    ],
    [
      "0 0 W * *",
      "has the day of month W, which is not understood; write days from 1 to 31, ranges like 1-5, steps like */2, 15W (the weekday nearest to the 15th), L (the last day) or LW (the last weekday)",
    ],
    [
      "0 0 * FOO *",
      "has the month FOO, which is not understood; write months from 1 to 12 or JAN to DEC, ranges like 3-5, or steps like */2",
    ],
    [
      "0 0 * * MON#7",
      "has the day of week MON#7, which is not understood; write days from 0 to 7 or SUN to SAT, ranges like MON-FRI, MON#1 (the first Monday) or 5L (the last Friday)",
    ],
    [
      "x * * * *",
      "has the minute x, which is not a number, range or step; write a value like 59, a range like 1-5 or a step like */5",
    ],
    ["", "must not be empty: write five fields, like 30 9 * * MON-FRI"],
    ["@reboot", "must not be @reboot: a timer has no start to run at"],
    ["@dayly", "is not a cron expression: @dayly; did you mean @daily?"],
  ])("%s is refused", (expression, reason) => {
    expect(timerProblems("core.crontimer", cron(expression))).toEqual([{ place: ["expression"], reason }]);
  });
});

describe("changes of the clock", () => {
  const springInBerlin = ["Europe/Berlin", "2026-03-29T00:00", "2026-03-29T05:00"] as const;
  const autumnInBerlin = ["Europe/Berlin", "2026-10-25T00:00", "2026-10-25T05:00"] as const;

  test.each([
    // A fixed hour that is skipped: once, at the transition, however many slots fell into it.
    ["30 2 * * *", ["03:00:00+02:00"]],
    ["15,45 2 * * *", ["03:00:00+02:00"]],
    ["* 2 * * *", ["03:00:00+02:00"]],
    ["30 2,4 * * *", ["03:00:00+02:00", "04:30:00+02:00"]],
    // The slot of 03:00 happens at the same moment, and is the same fire.
    ["0 2,3 * * *", ["03:00:00+02:00"]],
    ["30 2-3 * * *", ["03:00:00+02:00", "03:30:00+02:00"]],
    // A wildcard hour follows real time.
    ["0 * * * *", ["00:00:00+01:00", "01:00:00+01:00", "03:00:00+02:00", "04:00:00+02:00"]],
    ["30 */2 * * *", ["00:30:00+01:00", "04:30:00+02:00"]],
    ["0 0-23 * * *", ["00:00:00+01:00", "01:00:00+01:00", "03:00:00+02:00", "04:00:00+02:00"]],
  ])("%s in the skipped hour of Berlin", (expression, expected) => {
    expect(localFires(expression, ...springInBerlin)).toEqual(expected.map((each) => `2026-03-29T${each}`));
  });

  test.each([
    ["30 2 * * *", ["02:30:00+02:00"]],
    ["0,30 2 * * *", ["02:00:00+02:00", "02:30:00+02:00"]],
    ["0 2,3 * * *", ["02:00:00+02:00", "03:00:00+01:00"]],
    [
      "0 * * * *",
      [
        "00:00:00+02:00",
        "01:00:00+02:00",
        "02:00:00+02:00",
        "02:00:00+01:00",
        "03:00:00+01:00",
        "04:00:00+01:00",
      ],
    ],
  ])("%s in the repeated hour of Berlin", (expression, expected) => {
    expect(localFires(expression, ...autumnInBerlin)).toEqual(expected.map((each) => `2026-10-25T${each}`));
  });

  test("asked in the second of two equal hours, a fixed hour has already happened", () => {
    const schedule = scheduleOf("core.crontimer", cron("30 2 * * *", "Europe/Berlin"));
    const secondTenPastTwo = Date.parse("2026-10-25T02:10+01:00");
    expect(schedule.next(secondTenPastTwo)?.scheduledMs).toBe(Date.parse("2026-10-26T02:30+01:00"));
  });

  test("New York: 02:30 is skipped in March and 01:30 is shown twice in November", () => {
    const zone = "America/New_York";
    expect(localFires("30 2 * * *", zone, "2026-03-08T00:00", "2026-03-09T00:00")).toEqual([
      "2026-03-08T03:00:00-04:00",
    ]);
    expect(localFires("30 1 * * *", zone, "2026-11-01T00:00", "2026-11-02T00:00")).toEqual([
      "2026-11-01T01:30:00-04:00",
    ]);
    expect(localFires("30 * * * *", zone, "2026-11-01T01:00", "2026-11-01T03:00")).toEqual([
      "2026-11-01T01:30:00-04:00",
      "2026-11-01T01:30:00-05:00",
      "2026-11-01T02:30:00-05:00",
    ]);
  });

  test("Lord Howe changes its clock by half an hour", () => {
    const zone = "Australia/Lord_Howe";
    // 02:00 to 02:30 in October, 02:00 back to 01:30 in April.
    expect(localFires("15 2 * * *", zone, "2026-10-04T00:00", "2026-10-05T00:00")).toEqual([
      "2026-10-04T02:30:00+11:00",
    ]);
    expect(localFires("30 2 * * *", zone, "2026-10-04T00:00", "2026-10-05T00:00")).toEqual([
      "2026-10-04T02:30:00+11:00",
    ]);
    expect(localFires("45 1 * * *", zone, "2026-04-05T00:00", "2026-04-06T00:00")).toEqual([
      "2026-04-05T01:45:00+11:00",
    ]);
    expect(localFires("45 * * * *", zone, "2026-04-05T01:00", "2026-04-05T03:00")).toEqual([
      "2026-04-05T01:45:00+11:00",
      "2026-04-05T01:45:00+10:30",
      "2026-04-05T02:45:00+10:30",
    ]);
  });

  test("Apia left out 30 December 2011: its slots happen once, at the start of the 31st", () => {
    expect(localFires("0 8,20 * * *", "Pacific/Apia", "2011-12-29T00:00", "2012-01-01T00:00")).toEqual([
      "2011-12-29T08:00:00-10:00",
      "2011-12-29T20:00:00-10:00",
      "2011-12-31T00:00:00+14:00",
      "2011-12-31T08:00:00+14:00",
      "2011-12-31T20:00:00+14:00",
    ]);
    expect(localFires("0 12 30 12 *", "Pacific/Apia", "2011-12-01T00:00", "2012-02-01T00:00")).toEqual([
      "2011-12-31T00:00:00+14:00",
    ]);
    expect(localFires("0 */12 30 12 *", "Pacific/Apia", "2011-12-01T00:00", "2012-02-01T00:00")).toEqual([]);
  });

  test("a midnight that a zone leaps over fires at one o'clock", () => {
    expect(localFires("0 0 * * *", "Africa/Cairo", "2026-04-23T12:00", "2026-04-25T12:00")).toEqual([
      "2026-04-24T01:00:00+03:00",
      "2026-04-25T00:00:00+03:00",
    ]);
  });
});

test("an old name of a zone means the same as its new one", () => {
  const fires = (zone: string) =>
    firesOf(scheduleOf("core.crontimer", cron("0 9 * * *", zone)), Date.UTC(2026, 0), Date.UTC(2026, 11));

  expect(fires("Asia/Calcutta")).toEqual(fires("Asia/Kolkata"));
  expect(fires("europe/kiev")).toEqual(fires("Europe/Kyiv"));
});

test("an unknown zone is refused with the name that was probably meant", () => {
  expect(timerProblems("core.crontimer", cron("0 9 * * *", "Europe/Berln"))).toEqual([
    { place: ["timezone"], reason: 'is not a time zone: "Europe/Berln"; did you mean Europe/Berlin?' },
  ]);
});

test("a rule has no slot before it was created", () => {
  const createdMs = Date.parse("2026-11-28T12:00Z");
  const plan = decodeTimer("core.crontimer", cron("0 * * * *"), {
    id: "1",
    ref: "p.r",
    createdMs,
  });

  if (plan.kind === "invalid") throw new Error(plan.problem);
  expect(plan.value.schedule.next(0)?.scheduledMs).toBe(Date.parse("2026-11-28T13:00Z"));
});
