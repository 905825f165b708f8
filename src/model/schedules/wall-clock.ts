/**
 * Moves schedules from the wall clock into real time, with one rule for every change of the clock: daylight saving,
 * a country that changes its zone, a day that is left out.
 *
 * - `each`: every time the clock shows a slot, it is a slot. Slots that the clock leaps over are none; slots that it
 *   shows twice are two. For schedules that are meant as a distance, like `*` in the hour.
 * - `once`: every slot happens once. Slots that the clock leaps over happen together, as one, at the moment of the
 *   leap; slots that it shows twice happen the first time. For schedules that are meant as a time of day.
 */
import type { NextTime } from "./schedule.ts";
import type { ZonePeriod, ZonePeriods } from "./zone-periods.ts";

export type Repetition = "each" | "once";

/** @param nextWall slots on the wall clock, in wall time */
export function inRealTime(nextWall: NextTime, zone: ZonePeriods, repetition: Repetition): NextTime {
  return (afterMs) => {
    let period = zone.periodAt(afterMs);
    let found = nextWithin(period, nextWall(wallAfter(period, afterMs, repetition)));
    while (found === "later") {
      period = zone.periodAt(period.endMs);
      found = fromStart(period, nextWall, repetition);
    }
    return found;
  };
}

/** The first slot of the periods from this one on, if it is in this one. */
function fromStart(
  period: ZonePeriod,
  nextWall: NextTime,
  repetition: Repetition,
): number | "later" | undefined {
  const startWallMs = period.startMs + period.offsetMs;
  if (repetition === "each") return nextWithin(period, nextWall(startWallMs - 1));
  const wallMs = nextWall(period.shownUntilMs - 1);
  if (wallMs !== undefined && wallMs < startWallMs) return period.startMs;
  return nextWithin(period, wallMs);
}

function wallAfter({ offsetMs, shownUntilMs }: ZonePeriod, afterMs: number, repetition: Repetition): number {
  const wallMs = afterMs + offsetMs;
  return repetition === "each" ? wallMs : Math.max(wallMs, shownUntilMs - 1);
}

function nextWithin(
  { offsetMs, endMs }: ZonePeriod,
  wallMs: number | undefined,
): number | "later" | undefined {
  if (wallMs === undefined) return undefined;
  return wallMs - offsetMs < endMs ? wallMs - offsetMs : "later";
}
