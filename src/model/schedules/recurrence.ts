/**
 * Recurrence rules of RFC 5545.
 *
 * rrule-temporal evaluates them on clocks without zones, as croner does cron expressions (wall-clock.ts):
 *
 * - A rule of days or longer, or one that names its hours, is meant as times of day: evaluated on the wall clock, each slot
 *   once.
 * - Any other rule of hours, minutes or seconds is a distance in real time, counted from DTSTART: evaluated in each
 *   period of the zone with its offset, so that changes of the clock neither stretch nor shift it.
 *
 * COUNT and UNTIL are applied afterwards, in real time: COUNT counts fires.
 */
import { RRuleTemporal } from "rrule-temporal";
import { messageOf } from "../../errors/caught.ts";
import { invalid, valid, type Decoded } from "../json/decoded.ts";
import { instantOf } from "./date-time.ts";
import { decodeRecurrenceParts, type RecurrenceParts } from "./recurrence-parts.ts";
import { lastSlotMs, remembering, type NextTime } from "./schedule.ts";
import { inRealTime } from "./wall-clock.ts";
import type { ZonePeriods } from "./zone-periods.ts";

const dayMs = 86_400_000;
/** The last of them is found by walking through all of them. */
const countMax = 1_000;

export interface RecurrenceStart {
  readonly zone: ZonePeriods;
  /** Unix time; rules have whole seconds. */
  readonly dtstartMs: number;
  /** Whether the author named it: COUNT makes no sense without. */
  readonly isGiven: boolean;
}

export function decodeRecurrence(text: string, start: RecurrenceStart): Decoded<NextTime> {
  const decoded = decodeRecurrenceParts(text);
  if (decoded.kind === "invalid") return decoded;
  const parts = decoded.value;
  const count = Number(parts.get("COUNT") ?? 0);
  if (count > 0 && !start.isGiven) return invalid("has COUNT, which needs dtstart; or use max_fires");
  if (count > countMax) return invalid(`has COUNT=${count}; at most ${countMax} is supported, use max_fires`);

  const unbounded = [...parts].filter(([name]) => name !== "COUNT" && name !== "UNTIL");
  const rule = unbounded.map(([name, value]) => `${name}=${value}`).join(";");
  let times: NextTime;
  try {
    times = isDistance(parts) ? distances(rule, start) : timesOfDay(rule, start);
    if (times(start.dtstartMs - 1) === undefined) return invalid(`never happens: ${text}`);
  } catch {
    // The parts are checked above; the library's messages are for programmers.
    return invalid(`has parts that cannot be evaluated together: ${text}; remove some of them`);
  }
  const until = parts.get("UNTIL");
  if (until === undefined && count === 0) return valid(remembering(times));
  const lastMs = until === undefined ? undefined : untilMs(until, start.zone);
  if (lastMs !== undefined && Number.isNaN(lastMs)) return invalid(`has UNTIL=${until}, which is no date`);
  if (lastMs !== undefined && lastMs < start.dtstartMs) return invalid("has an UNTIL before its start");
  return valid(remembering(bounded(times, () => lastMs ?? lastOf(times, start.dtstartMs, count))));
}

function isDistance(parts: RecurrenceParts): boolean {
  return /^(HOURLY|MINUTELY|SECONDLY)$/.test(parts.get("FREQ") ?? "") && !parts.has("BYHOUR");
}

function timesOfDay(rule: string, { zone, dtstartMs }: RecurrenceStart): NextTime {
  const wallStartMs = dtstartMs + zone.periodAt(dtstartMs).offsetMs;
  return inRealTime(remembering(onClock(rule, wallStartMs)), zone, "once");
}

function distances(rule: string, { zone, dtstartMs }: RecurrenceStart): NextTime {
  const clocks = new Map<number, NextTime>();
  return (afterMs) => {
    for (let period = zone.periodAt(afterMs), fromMs = afterMs; ; period = zone.periodAt(period.endMs)) {
      const { offsetMs, endMs } = period;
      const next = clocks.get(offsetMs) ?? onClock(rule, dtstartMs + offsetMs);
      clocks.set(offsetMs, next);
      const wallMs = next(Math.max(fromMs, period.startMs - 1) + offsetMs);
      if (wallMs === undefined || wallMs - offsetMs < endMs)
        return wallMs === undefined ? wallMs : wallMs - offsetMs;
      fromMs = endMs - 1;
    }
  };
}

/** The rule on a clock without a zone. */
function onClock(rule: string, wallStartMs: number): NextTime {
  const start = new Date(wallStartMs).toISOString().slice(0, 19).replaceAll(/[-:]/g, "");
  const evaluator = new RRuleTemporal({ rruleString: `DTSTART:${start}Z\nRRULE:${rule}`, strict: true });
  return (afterMs) => {
    if (afterMs > lastSlotMs) return undefined;
    try {
      return evaluator.next(new Date(afterMs))?.epochMilliseconds;
    } catch (error) {
      // The search for an occurrence ends after 10,000 steps: there is none, or none for centuries.
      if (messageOf(error).startsWith("Maximum")) return undefined;
      throw error;
    }
  };
}

function untilMs(until: string, zone: ZonePeriods): number {
  const [, year, month, day, time = ""] = /^(\d{4})(\d\d)(\d\d)(?:T(\d{6}Z?))?$/.exec(until) ?? [];
  const dateMs = Date.parse(`${year}-${month}-${day}T00:00:00Z`);
  if (Number.isNaN(dateMs)) return Number.NaN;
  // A date includes that day.
  if (time === "") return instantOf(dateMs + dayMs, zone) - 1;
  const clock = `${time.slice(0, 2)}:${time.slice(2, 4)}:${time.slice(4, 6)}`;
  const wallMs = Date.parse(`${year}-${month}-${day}T${clock}Z`);
  return time.endsWith("Z") || Number.isNaN(wallMs) ? wallMs : instantOf(wallMs, zone);
}

function lastOf(times: NextTime, dtstartMs: number, count: number): number {
  let lastMs = dtstartMs - 1;
  for (let found = 0; found < count; found += 1) {
    const nextMs = times(lastMs);
    if (nextMs === undefined) break;
    lastMs = nextMs;
  }
  return lastMs;
}

/** @param findLast called when it is needed first */
function bounded(times: NextTime, findLast: () => number): NextTime {
  let lastMs: number | undefined;
  return (afterMs) => {
    lastMs ??= findLast();
    if (afterMs >= lastMs) return undefined;
    const found = times(afterMs);
    return found === undefined || found > lastMs ? undefined : found;
  };
}
