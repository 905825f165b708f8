/**
 * Cron expressions: five fields (minute, hour, day of month, month, day of week), or six with seconds in front.
 *
 * They are evaluated on a clock without a zone, and wall-clock.ts moves the result into one. croner finds the days, and
 * one evaluator serves all expressions with the same days: it takes 80 µs to make, and kilobytes. The time of day is a
 * list of values for each field. An hour that begins with `*`, or covers all 24, is a wildcard: the timer follows real time.
 * Any other hour is a time of day. docs/timers.md describes the dialect.
 */
import { Cron } from "croner";
import { invalid, valid, type Decoded } from "../json/decoded.ts";
import { nearestName } from "../texts/nearest-name.ts";
import { dayFieldExamples, decodeTimeField, numberProblem, type DayFieldName } from "./cron-fields.ts";
import { lastSlotMs, remembering, type NextTime } from "./schedule.ts";
import type { Repetition } from "./wall-clock.ts";

export interface CronSlots {
  /** On the wall clock. */
  readonly next: NextTime;
  readonly repetition: Repetition;
}

const nicknames: Readonly<Record<string, string>> = {
  "@yearly": "0 0 1 1 *",
  "@annually": "0 0 1 1 *",
  "@monthly": "0 0 1 * *",
  "@weekly": "0 0 * * 0",
  "@daily": "0 0 * * *",
  "@midnight": "0 0 * * *",
  "@hourly": "0 * * * *",
};

const secondMs = 1_000;
const minuteMs = 60 * secondMs;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;

export function decodeCron(written: string): Decoded<CronSlots> {
  const trimmed = written.trim().replaceAll(/\s+/g, " ");
  const expression = trimmed.startsWith("@") ? nicknames[trimmed.toLowerCase()] : trimmed;
  if (expression === undefined) return invalid(unknownNickname(trimmed));
  const fields = expression.split(" ");
  if (fields.length !== 5 && fields.length !== 6) return invalid(wrongCount(trimmed, fields.length));

  const [second = "", minute = "", hour = "", date = "", month = "", weekday = ""] =
    fields.length === 6 ? fields : ["0", ...fields];
  const seconds = decodeTimeField("second", second);
  if (seconds.kind === "invalid") return seconds;
  const minutes = decodeTimeField("minute", minute);
  if (minutes.kind === "invalid") return minutes;
  const hours = decodeTimeField("hour", hour);
  if (hours.kind === "invalid") return hours;
  const days = decodeDays(date, month, weekday);
  if (days.kind === "invalid") return days;
  const time = { seconds: seconds.value, minutes: minutes.value, hours: hours.value };
  const isWild = isStar(hour) || hours.value.length === 24;
  return valid({ next: onDays(days.value, time), repetition: isWild ? "each" : "once" });
}

interface TimeOfDay {
  readonly seconds: readonly number[];
  readonly minutes: readonly number[];
  readonly hours: readonly number[];
}

function onDays(nextDay: NextTime, time: TimeOfDay): NextTime {
  const firstMs = timeFrom(time, 0) ?? 0;
  return (afterMs) => {
    const fromMs = (Math.floor(afterMs / secondMs) + 1) * secondMs;
    const today = Math.floor(fromMs / dayMs) * dayMs;
    if (nextDay(today - 1) === today) {
      const timeMs = timeFrom(time, fromMs - today);
      if (timeMs !== undefined) return today + timeMs;
    }
    const later = nextDay(today);
    return later === undefined ? undefined : later + firstMs;
  };
}

/** The first time of a day, in milliseconds, at or after that one. */
function timeFrom({ seconds, minutes, hours }: TimeOfDay, fromMs: number): number | undefined {
  for (const hour of hours) {
    if ((hour + 1) * hourMs <= fromMs) continue;
    for (const minute of minutes) {
      const atMs = hour * hourMs + minute * minuteMs;
      if (atMs + minuteMs <= fromMs) continue;
      const second = seconds.find((each) => atMs + each * secondMs >= fromMs);
      if (second !== undefined) return atMs + second * secondMs;
    }
  }
  return undefined;
}

/** Evaluators of days by the fields for them. */
const known = new Map<string, NextTime>();
const knownMax = 5_000;

/** Midnights of the days that match. */
function decodeDays(date: string, month: string, weekday: string): Decoded<NextTime> {
  const days = `${date} ${month} ${weekday}`;
  const present = known.get(days);
  if (present !== undefined) return valid(present);

  const [beforeLast] = /(?<=^|,)L-\d+/i.exec(date) ?? [];
  const problem =
    (beforeLast === undefined
      ? undefined
      : `uses ${beforeLast}, which is not supported; L is the last day`) ??
    numberProblem("day of month", date) ??
    numberProblem("month", month) ??
    numberProblem("day of week", weekday);
  if (problem !== undefined) return invalid(problem);
  // As cron does: if either field for days begins with *, both must match; else one of them suffices.
  const mustBothMatch = isStar(date) || isStar(weekday);
  const evaluators: NextTime[] = [];
  for (const dates of datesApart(date)) {
    const cron = cronOf(`${dates} ${month} ${weekday}`, mustBothMatch);
    if (cron === undefined)
      return invalid(unclearDays({ "day of month": date, month, "day of week": weekday }));
    // One that matches no day searches for most of a second, and must do it only once.
    evaluators.push(remembering((afterMs) => cron.nextRun(new Date(afterMs))?.getTime()));
  }
  const next = remembering((afterMs) => (afterMs > lastSlotMs ? undefined : firstOf(evaluators, afterMs)));
  if (known.size >= knownMax) known.clear();
  known.set(days, next);
  return valid(next);
}

/**
 * The days of a month, as fields that croner understands: in a list it refuses LW and misreads L, so each is a field of its own.
 * A day matches if it matches in one of them.
 */
function datesApart(date: string): readonly string[] {
  const parts = new Set(date.toUpperCase().split(","));
  const lasts = ["L", "LW"].filter((last) => parts.delete(last));
  if (lasts.length === 0) return [date];
  const others = [...parts].join(",");
  if (others === "") return lasts;
  // Only a field that begins with a star is unrestricted, and this one does not.
  return [...lasts, isStar(date) ? others : others.replace(/^[*?]/, "1-31")];
}

function firstOf(evaluators: readonly NextTime[], afterMs: number): number | undefined {
  let firstMs: number | undefined;
  for (const next of evaluators) {
    const ms = next(afterMs);
    if (ms !== undefined && (firstMs === undefined || ms < firstMs)) firstMs = ms;
  }
  return firstMs;
}

/** Undefined if croner refuses the fields. Its messages name neither the field nor a remedy. */
function cronOf(days: string, domAndDow = false): Cron | undefined {
  try {
    return new Cron(`0 0 0 ${days}`, { paused: true, mode: "6-part", utcOffset: 0, domAndDow });
  } catch {
    return undefined;
  }
}

function unclearDays(fields: Readonly<Record<DayFieldName, string>>): string {
  const { "day of month": date, month, "day of week": weekday } = fields;
  const alone: Readonly<Record<DayFieldName, string>> = {
    "day of month": `${datesApart(date).at(-1) ?? ""} * *`,
    month: `* ${month} *`,
    "day of week": `* * ${weekday}`,
  };
  const names = ["day of month", "month", "day of week"] as const;
  const name = names.find((each) => cronOf(alone[each]) === undefined);
  return name === undefined
    ? `has days that are not understood: ${date} ${month} ${weekday}`
    : `has the ${name} ${fields[name]}, which is not understood; write ${dayFieldExamples[name]}`;
}

function isStar(field: string): boolean {
  return field.startsWith("*") || field.startsWith("?");
}

function unknownNickname(written: string): string {
  if (written.toLowerCase() === "@reboot") return "must not be @reboot: a timer has no start to run at";
  const names = Object.keys(nicknames);
  const nearest = nearestName(written, names);
  const hint = nearest === undefined ? `the names are ${names.join(", ")}` : `did you mean ${nearest}?`;
  return `is not a cron expression: ${written}; ${hint}`;
}

function wrongCount(written: string, count: number): string {
  if (written === "") return "must not be empty: write five fields, like 30 9 * * MON-FRI";
  if (count === 7)
    return "must have five or six fields, not 7: a year is not supported, use start_at and end_at";
  return `must have five fields (minute hour day month weekday), or six with seconds in front, not ${count}: ${JSON.stringify(written)}`;
}
