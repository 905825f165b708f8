/** Reads dates and times as people write them: with an offset, or as the wall clock of a zone shows them. */
import { invalid, valid, type Decoded } from "../json/decoded.ts";
import { instantText } from "../texts/instants.ts";
import { inRealTime } from "./wall-clock.ts";
import type { ZonePeriods } from "./zone-periods.ts";

const dayMs = 86_400_000;
const local = /^(\d{4}-\d\d-\d\d)(?:[Tt ](\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?))?$/;

/**
 * @param edge which moment a date without a time means: its first, or its last millisecond
 * @returns Unix time in milliseconds. A wall time that a clock leaps over is the moment of the leap; one that it shows
 * twice is the first.
 */
export function decodeDateTime(text: string, zone: ZonePeriods, edge: "first" | "last"): Decoded<number> {
  const instant = instantText(text);
  if (instant !== undefined) return valid(Date.parse(instant));
  const [, date, time] = local.exec(text) ?? [];
  if (date === undefined) return invalid(notDateTime(text));
  const dateMs = decodeDate(date);
  const wallMs = time === undefined ? dateMs : Date.parse(`${date}T${time}Z`);
  if (dateMs === undefined || wallMs === undefined || Number.isNaN(wallMs)) return invalid(notDateTime(text));
  if (time === undefined && edge === "last") return valid(instantOf(wallMs + dayMs, zone) - 1);
  return valid(instantOf(wallMs, zone));
}

function notDateTime(text: string): string {
  return `must be a date and time like 2026-12-31T18:00:00+01:00, not ${JSON.stringify(text)}`;
}

/** The start of that date in UTC, undefined if there is no such date. */
export function decodeDate(text: string): number | undefined {
  if (!/^\d{4}-\d\d-\d\d$/.test(text)) return undefined;
  const ms = Date.parse(`${text}T00:00:00Z`);
  // Date.parse reads 30 February as 2 March.
  return !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(text) ? ms : undefined;
}

/** The first moment at which the zone's clock shows that wall time, or a later one if it leaps over it. */
export function instantOf(wallMs: number, zone: ZonePeriods): number {
  const next = inRealTime((afterMs) => (afterMs < wallMs ? wallMs : undefined), zone, "once");
  return next(wallMs - 2 * dayMs) ?? wallMs;
}

/** The first moment of the day that the zone's clock shows at that time. */
export function startOfDay(ms: number, zone: ZonePeriods): number {
  return instantOf(Math.floor((ms + zone.periodAt(ms).offsetMs) / dayMs) * dayMs, zone);
}
