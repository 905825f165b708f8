/**
 * Days without fires: the slots of those days, in the timer's zone, are no slots.
 *
 * An entry is a date, a range of dates with both ends, a day of every year, a weekday, or a recurrence rule of days.
 */
import { invalid, valid, type Decoded } from "../json/decoded.ts";
import type { JsonValue } from "../json/json.ts";
import { decodeDate, instantOf } from "./date-time.ts";
import { shown } from "./param-reader.ts";
import { decodeRecurrenceParts } from "./recurrence-parts.ts";
import { decodeRecurrence } from "./recurrence.ts";
import type { NextTime } from "./schedule.ts";
import { decodeZone, type ZonePeriods } from "./zone-periods.ts";

/** Whether a day is excluded, given as its start on the wall clock. */
export type IsExcluded = (dateMs: number) => boolean;

const dayMs = 86_400_000;
const weekdays = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];
/** How many slots on excluded days in a row the search for one on another day tries: daily ones of twenty years. */
const excludedSlotsMax = 7_320;

/** @param next instants */
export function without(next: NextTime, isExcluded: IsExcluded, zone: ZonePeriods): NextTime {
  return (afterMs) => {
    let foundMs = next(afterMs);
    for (let slots = 0; foundMs !== undefined && slots < excludedSlotsMax; slots += 1) {
      const wallMs = foundMs + zone.periodAt(foundMs).offsetMs;
      const dateMs = Math.floor(wallMs / dayMs) * dayMs;
      if (!isExcluded(dateMs)) return foundMs;
      foundMs = next(Math.max(foundMs, instantOf(dateMs + dayMs, zone) - 1));
    }
    return undefined;
  };
}

export function decodeExclusion(entry: JsonValue): Decoded<IsExcluded> {
  if (typeof entry !== "string") return invalid(expected(entry));
  const text = entry.trim();
  return dateRange(text) ?? yearly(text) ?? ofWeekday(text) ?? recurring(text) ?? invalid(expected(entry));
}

function expected(entry: JsonValue): string {
  return `must be a date (2026-12-24), a range (2026-12-24/2027-01-01), a day of every year (12-25), a weekday (saturday) or a rule (FREQ=YEARLY;…), not ${shown(entry)}`;
}

function dateRange(text: string): Decoded<IsExcluded> | undefined {
  const [from = "", to = from, ...rest] = text.split("/");
  const fromMs = decodeDate(from.trim());
  const toMs = decodeDate(to.trim());
  if (fromMs === undefined || toMs === undefined || rest.length > 0) return undefined;
  if (toMs < fromMs) return invalid(`must not end before it begins: ${text}`);
  return valid((dateMs) => dateMs >= fromMs && dateMs <= toMs);
}

function yearly(text: string): Decoded<IsExcluded> | undefined {
  // A leap year, so that 29 February is a day.
  if (!/^\d\d-\d\d$/.test(text) || decodeDate(`2028-${text}`) === undefined) return undefined;
  return valid((dateMs) => new Date(dateMs).toISOString().slice(5, 10) === text);
}

function ofWeekday(text: string): Decoded<IsExcluded> | undefined {
  const name = text.toLowerCase();
  const day = name.length < 3 ? -1 : weekdays.findIndex((each) => each === name || each.slice(0, 3) === name);
  return day === -1 ? undefined : valid((dateMs) => new Date(dateMs).getUTCDay() === day);
}

function recurring(text: string): Decoded<IsExcluded> | undefined {
  if (!/^(RRULE:)?FREQ=/i.test(text)) return undefined;
  const parts = decodeRecurrenceParts(text);
  if (parts.kind === "invalid") return parts;
  const refused = ["COUNT", "INTERVAL", "BYHOUR", "BYMINUTE", "BYSECOND"].find((name) =>
    parts.value.has(name),
  );
  if (refused !== undefined) return invalid(`must be a rule of days, without ${refused}`);
  if (!["YEARLY", "MONTHLY", "WEEKLY", "DAILY"].includes(parts.value.get("FREQ") ?? ""))
    return invalid("must be a rule of days: YEARLY, MONTHLY, WEEKLY or DAILY");
  if (!["BYDAY", "BYMONTHDAY", "BYYEARDAY"].some((name) => parts.value.has(name)))
    return invalid("must name its days with BYDAY, BYMONTHDAY or BYYEARDAY");
  const utc = decodeZone("UTC");
  if (utc.kind === "invalid") return utc;
  // Midnights of UTC are the days; the rule has no interval, so it does not matter where it starts.
  const times = decodeRecurrence(text, { zone: utc.value, dtstartMs: 0, isGiven: false });
  if (times.kind === "invalid") return times;
  return valid((dateMs) => times.value(dateMs - 1) === dateMs);
}
