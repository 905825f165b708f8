import { describe, expect, test } from "vitest";
import type { JsonObject } from "../../../src/model/json/json.ts";
import { timerProblems } from "../../../src/model/schedules/timer-plan.ts";
import { scheduleOf } from "./support.ts";

const createdMs = Date.parse("2026-01-01T10:17:33.250Z");

/** The first fires after a local time, as the zone's clock shows them. */
function fires(params: JsonObject, after: string, count: number): string[] {
  const schedule = scheduleOf("core.rruletimer", params, createdMs);
  const zone = schedule.zone;
  const found: string[] = [];
  let afterMs = Temporal.PlainDateTime.from(after).toZonedDateTime(zone).epochMilliseconds;
  for (
    let slot = schedule.next(afterMs);
    slot !== undefined && found.length < count;
    slot = schedule.next(afterMs)
  ) {
    afterMs = slot.scheduledMs;
    found.push(
      Temporal.Instant.fromEpochMilliseconds(afterMs)
        .toZonedDateTimeISO(zone)
        .toString({ timeZoneName: "never", smallestUnit: "second" }),
    );
  }
  return found;
}

const timezone = "Europe/Berlin";

describe("times of day", () => {
  test("without dtstart, minutes and seconds are those of midnight", () => {
    expect(fires({ rule: "FREQ=DAILY;BYHOUR=9" }, "2026-05-01T00:00", 2)).toEqual([
      "2026-05-01T09:00:00+00:00",
      "2026-05-02T09:00:00+00:00",
    ]);
  });

  test("dtstart fills what the rule leaves open, in the zone", () => {
    const params = { rule: "RRULE:FREQ=MONTHLY;BYDAY=-1FR", dtstart: "2026-01-30T17:45:10", timezone };
    expect(fires(params, "2026-03-01T00:00", 2)).toEqual([
      "2026-03-27T17:45:10+01:00",
      "2026-04-24T17:45:10+02:00",
    ]);
  });

  test("a time that is skipped happens at the change, and one that is repeated happens once", () => {
    const params = { rule: "FREQ=DAILY", dtstart: "2026-01-01T02:30:00", timezone };
    expect(fires(params, "2026-03-28T12:00", 2)).toEqual([
      "2026-03-29T03:00:00+02:00",
      "2026-03-30T02:30:00+02:00",
    ]);
    expect(fires(params, "2026-10-24T12:00", 2)).toEqual([
      "2026-10-25T02:30:00+02:00",
      "2026-10-26T02:30:00+01:00",
    ]);
  });

  test("a rule of minutes that names its hours is one, too", () => {
    const params = { rule: "FREQ=MINUTELY;INTERVAL=20;BYHOUR=2", timezone };
    expect(fires(params, "2026-03-28T12:00", 2)).toEqual([
      "2026-03-29T03:00:00+02:00",
      "2026-03-30T02:00:00+02:00",
    ]);
  });

  test("29 February, the last workday of a month, and week 53", () => {
    expect(fires({ rule: "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29" }, "2026-05-01T00:00", 2)).toEqual([
      "2028-02-29T00:00:00+00:00",
      "2032-02-29T00:00:00+00:00",
    ]);
    expect(fires({ rule: "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1" }, "2026-05-01T00:00", 1)).toEqual([
      "2026-05-29T00:00:00+00:00",
    ]);
    expect(fires({ rule: "FREQ=YEARLY;BYWEEKNO=53;BYDAY=MO" }, "2026-05-01T00:00", 1)).toEqual([
      "2026-12-28T00:00:00+00:00",
    ]);
  });
});

describe("distances", () => {
  test("hours are counted in real time, through the repeated hour and the skipped one", () => {
    const params = { rule: "FREQ=HOURLY", dtstart: "2026-01-01T00:15:00", timezone };
    expect(fires(params, "2026-10-25T01:20", 3)).toEqual([
      "2026-10-25T02:15:00+02:00",
      "2026-10-25T02:15:00+01:00",
      "2026-10-25T03:15:00+01:00",
    ]);
    expect(fires(params, "2026-03-29T01:20", 1)).toEqual(["2026-03-29T03:15:00+02:00"]);
  });

  test("an interval of hours keeps its distance, so its hours on the clock move", () => {
    const params = { rule: "FREQ=HOURLY;INTERVAL=12", dtstart: "2026-03-28T06:00:00", timezone };
    expect(fires(params, "2026-03-28T12:00", 3)).toEqual([
      "2026-03-28T18:00:00+01:00",
      "2026-03-29T07:00:00+02:00",
      "2026-03-29T19:00:00+02:00",
    ]);
  });

  test("days of the week are those of the zone", () => {
    const params = { rule: "FREQ=HOURLY;INTERVAL=6;BYDAY=SU", dtstart: "2026-01-01T00:00:00", timezone };
    expect(fires(params, "2026-10-23T00:00", 5)).toEqual([
      "2026-10-25T01:00:00+02:00",
      "2026-10-25T06:00:00+01:00",
      "2026-10-25T12:00:00+01:00",
      "2026-10-25T18:00:00+01:00",
      "2026-11-01T00:00:00+01:00",
    ]);
  });
});

describe("ends", () => {
  test("COUNT counts fires from dtstart", () => {
    const params = { rule: "FREQ=DAILY;COUNT=3", dtstart: "2026-03-28T02:30:00", timezone };
    expect(fires(params, "2026-01-01T12:00", 9)).toEqual([
      "2026-03-28T02:30:00+01:00",
      "2026-03-29T03:00:00+02:00",
      "2026-03-30T02:30:00+02:00",
    ]);
  });

  test.each([
    ["20260329T003000Z", 2],
    ["20260329T005959Z", 2],
    ["20260329T010000Z", 3],
    ["20260329T030000", 3],
    ["20260329", 3],
    ["20260328", 2],
  ])("UNTIL=%s leaves %i fires", (until, count) => {
    const params = { rule: `FREQ=DAILY;UNTIL=${until}`, dtstart: "2026-03-27T02:30:00", timezone };
    expect(fires(params, "2026-01-01T12:00", 9)).toHaveLength(count);
  });
});

test("a COUNT that would take long to count is refused", () => {
  const params = { rule: "FREQ=DAILY;COUNT=1001", dtstart: "2026-01-01" };
  expect(timerProblems("core.rruletimer", params)).toEqual([
    { place: ["rule"], reason: "has COUNT=1001; at most 1000 is supported, use max_fires" },
  ]);
});

test.each([
  ["FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "never happens: FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"],
  ["FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30", "never happens: FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30"],
  ["FREQ=MONTHLY;BYDAY=6MO", "never happens: FREQ=MONTHLY;BYDAY=6MO"],
  ["FREQ=DAILY;COUNT=3;UNTIL=20301231", "must not have both COUNT and UNTIL (RFC 5545)"],
  ["FREQ=DAILY;COUNT=3", "has COUNT, which needs dtstart; or use max_fires"],
  ["FREQ=DAILY;INTERVAL=0", "has INTERVAL=0; INTERVAL must be a whole number from 1"],
  [
    "FREQ=DAYLY",
    "has FREQ=DAYLY; FREQ must be one of YEARLY, MONTHLY, WEEKLY, DAILY, HOURLY, MINUTELY, SECONDLY",
  ],
  ["INTERVAL=2", "must name a frequency, like FREQ=DAILY"],
  ["FREQ=DAILY;BYHOUR=25", "has BYHOUR=25; BYHOUR must be hours from 0 to 23"],
  ["FREQ=DAILY;BYHUOR=2", "has the unknown part BYHUOR=2; did you mean BYHOUR?"],
  ["FREQ=DAILY;FREQ=WEEKLY", "names FREQ twice"],
  ["FREQ=DAILY;", "has an empty part: remove the extra semicolon"],
  [
    "FREQ=WEEKLY;BYDAY=2MO",
    "has FREQ=WEEKLY with BYDAY=2MO; numbers before weekdays need FREQ=MONTHLY or FREQ=YEARLY, else write BYDAY=MO",
  ],
  [
    "FREQ=YEARLY;BYWEEKNO=3;BYDAY=-1FR",
    "has FREQ=YEARLY with BYDAY=-1FR and BYWEEKNO; remove the numbers before weekdays, or BYWEEKNO",
  ],
  ["FREQ=MONTHLY;BYWEEKNO=3", "has FREQ=MONTHLY with BYWEEKNO=3; BYWEEKNO needs FREQ=YEARLY"],
  [
    "FREQ=WEEKLY;BYMONTHDAY=3",
    "has FREQ=WEEKLY with BYMONTHDAY=3; BYMONTHDAY needs another frequency than WEEKLY",
  ],
  [
    "FREQ=DAILY;BYYEARDAY=3",
    "has FREQ=DAILY with BYYEARDAY=3; BYYEARDAY needs FREQ=YEARLY, HOURLY, MINUTELY or SECONDLY",
  ],
  ["FREQ=DAILY;BYSETPOS=1", "has BYSETPOS=1 alone; it selects among others, so add one like BYDAY=MO"],
  ["", "must not be empty: write a rule like FREQ=DAILY;BYHOUR=9;BYMINUTE=30"],
  ["RRULE:", "must not be empty: write a rule like FREQ=DAILY;BYHOUR=9;BYMINUTE=30"],
  ["FREQ=DAILY;BYHOUR=9=10", "has BYHOUR=9=10; BYHOUR must be hours from 0 to 23"],
  ["RRULE:FREQ=DAILY\nEXDATE:20260101T000000Z", "must be a single rule; use exclude for dates to leave out"],
  ["FREQ=DAILY;UNTIL=20269999", "has UNTIL=20269999, which is no date"],
])("%j is refused", (rule, reason) => {
  expect(timerProblems("core.rruletimer", { rule })).toEqual([{ place: ["rule"], reason }]);
});
