/**
 * Cron timers around every change of every zone's clock, against an oracle that shares nothing with the code: it asks ICU
 * for the offset of every minute, and an evaluator of its own for every minute of the wall clock.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { dailyCrons, timeCrons, type NaiveCron } from "./naive-cron.ts";
import { firesOf, scheduleOf } from "./support.ts";

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;

/** How many years of changes, and how many choices; all offsets have been whole minutes since 1973. */
const years = Number(process.env["ATTUNE_TEST_ZONE_YEARS"] ?? 1);
const firstMs = Date.UTC(Math.max(1973, 2026 - years + 1), 0);
const lastMs = Date.UTC(2027 + Math.min(years - 1, 40), 0);
/** One of so many equal parts of all zones, as in 2/10: fifty years take ten minutes. */
const [part = 1, parts = 1] = (process.env["ATTUNE_TEST_ZONE_PART"] ?? "1/1").split("/").map(Number);
const cronsForEach = 3;
const timeout = 30_000 * years;

function offsetsOf(zone: string): (ms: number) => number {
  const format = new Intl.DateTimeFormat("en-US", {
    timeZone: zone,
    hourCycle: "h23",
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
  });
  return (ms) => {
    const [, month, day, year, hour, minute] =
      /(\d+)\/(\d+)\/(\d+), (\d+):(\d+)/.exec(format.format(ms)) ?? [];
    return Date.parse(`${year}-${month}-${day}T${hour}:${minute}Z`) - Math.floor(ms / minuteMs) * minuteMs;
  };
}

interface Change {
  readonly atMs: number;
  readonly byMs: number;
}

function changesOf(offset: (ms: number) => number): Change[] {
  const changes: Change[] = [];
  let before = offset(firstMs);
  for (let ms = firstMs + dayMs; ms <= lastMs; ms += dayMs) {
    const after = offset(ms);
    if (after === before) continue;
    let [low, high] = [ms - dayMs, ms];
    while (high - low > minuteMs) {
      const middle = low + Math.floor((high - low) / 2 / minuteMs) * minuteMs;
      if (offset(middle) === before) low = middle;
      else high = middle;
    }
    changes.push({ atMs: high, byMs: after - before });
    before = after;
  }
  return changes;
}

/** Every fire in the window, minute by minute. */
function expectedFires(cron: NaiveCron, wallOf: readonly number[], fromMs: number): number[] {
  const isFire = new Set<number>();
  if (cron.hasWildHour) {
    wallOf.forEach((wallMs, index) => cron.matches(wallMs) && isFire.add(fromMs + index * minuteMs));
    return [...isFire];
  }
  // A time of day happens as soon as the clock shows it or a later time.
  let shown = (wallOf[0] ?? 0) - minuteMs;
  wallOf.forEach((wallMs, index) => {
    for (; shown < wallMs; shown += minuteMs)
      if (cron.matches(shown + minuteMs)) isFire.add(fromMs + index * minuteMs);
  });
  return [...isFire];
}

test(
  "cron timers fire around every change of every clock as a minute by minute search says",
  { timeout },
  () => {
    const zones = Intl.supportedValuesOf("timeZone").filter((_zone, index) => index % parts === part - 1);
    let changesCount = 0;
    for (const zone of zones) {
      const offset = offsetsOf(zone);
      const changes = changesOf(offset);
      changesCount += changes.length;
      for (const { atMs, byMs } of changes) {
        const marginMs = Math.abs(byMs) > 3 * hourMs ? 2 * dayMs : 8 * hourMs;
        const fromMs = atMs - marginMs;
        const wallOf = Array.from({ length: (2 * marginMs) / minuteMs + 1 }, (_, index) => {
          const ms = fromMs + index * minuteMs;
          return ms + (ms < atMs ? offset(fromMs) : offset(atMs));
        });
        for (const cron of fc.sample(timeCrons, { numRuns: cronsForEach, seed: atMs })) {
          const schedule = scheduleOf("core.crontimer", { expression: cron.expression, timezone: zone });
          const fires = firesOf(schedule, fromMs - 1, fromMs + 2 * marginMs);
          expect({ zone, cron: cron.expression, fires }).toEqual({
            zone,
            cron: cron.expression,
            fires: expectedFires(cron, wallOf, fromMs),
          });
        }
      }
    }
    expect(zones.length).toBeGreaterThan(400 / parts);
    expect(changesCount).toBeGreaterThan(200 / parts);
  },
);

test("days of the month and of the week match as a search through every day says", { timeout }, () => {
  const firstDayMs = Date.UTC(2027, 0);
  fc.assert(
    fc.property(dailyCrons, (cron) => {
      const days = Array.from({ length: 4 * 365 + 1 }, (_, index) => firstDayMs + index * dayMs);
      const expected = days.filter((dayStartMs) => cron.matches(dayStartMs));
      fc.pre(expected.length > 0);
      const schedule = scheduleOf("core.crontimer", { expression: cron.expression });
      expect(firesOf(schedule, firstDayMs - 1, days.at(-1) ?? 0)).toEqual(expected);
    }),
    { numRuns: 80 * Math.min(years, 20) },
  );
});

test("a recurrence rule with hours and minutes fires like cron with the same ones", { timeout }, () => {
  const zones = Intl.supportedValuesOf("timeZone");
  const fromMs = Date.parse("2026-01-01T00:00Z");
  fc.assert(
    fc.property(
      fc.constantFrom(...zones),
      fc.uniqueArray(fc.integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 3 }),
      fc.uniqueArray(fc.integer({ min: 0, max: 59 }), { minLength: 1, maxLength: 3 }),
      (timezone, hours, minutes) => {
        const cron = { expression: `${minutes.join(",")} ${hours.join(",")} * 3,4,9-11 *`, timezone };
        const rule = `FREQ=DAILY;BYMONTH=3,4,9,10,11;BYHOUR=${hours.join(",")};BYMINUTE=${minutes.join(",")}`;
        const untilMs = fromMs + 366 * dayMs;
        expect(firesOf(scheduleOf("core.rruletimer", { rule, timezone }), fromMs, untilMs)).toEqual(
          firesOf(scheduleOf("core.crontimer", cron), fromMs, untilMs),
        );
      },
    ),
    { numRuns: 12 * Math.min(years, 20) },
  );
});
