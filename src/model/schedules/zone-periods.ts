/**
 * A time zone as a sequence of periods, each with one offset from UTC. Within a period, wall clock and real time advance
 * together, so schedules are evaluated on the wall clock, without zones, and moved into the periods (wall-clock.ts).
 *
 * Wall times are written as milliseconds too, as if the wall clock showed UTC.
 */
import { invalid, valid, type Decoded } from "../json/decoded.ts";
import { nearestName } from "../texts/nearest-name.ts";

export interface ZonePeriod {
  /** Inclusive; minus infinity for the first. */
  readonly startMs: number;
  /** Exclusive; infinity for the last. */
  readonly endMs: number;
  /** Wall time minus Unix time. */
  readonly offsetMs: number;
  /** The latest wall time that any clock of the zone showed before this period, exclusive. */
  readonly shownUntilMs: number;
}

export interface ZonePeriods {
  readonly name: string;
  periodAt(ms: number): ZonePeriod;
}

const hourMs = 3_600_000;
/** More than two offsets can differ, so periods that ended earlier never showed a wall time of a later one. */
const offsetsDifferMaxMs = 27 * hourMs;
/** Zones change a few times a year, and schedules ask about a few years. */
const periodsMax = 1_000;

const known = new Map<string, ZonePeriods>();

/** The zone of that name, in any case; old names and offsets like `+05:30` are accepted. */
export function decodeZone(name: string): Decoded<ZonePeriods> {
  const present = known.get(name);
  if (present !== undefined) return valid(present);
  let canonical: string;
  try {
    canonical = new Date(0).toTemporalInstant().toZonedDateTimeISO(name).timeZoneId;
  } catch {
    return invalid(unknownZone(name));
  }
  const zone = known.get(canonical) ?? periodsOf(canonical);
  known.set(canonical, zone);
  return valid(zone);
}

function unknownZone(name: string): string {
  const nearest = nearestName(name, Intl.supportedValuesOf("timeZone"));
  const hint =
    nearest === undefined ? "a name like Europe/Berlin or UTC is required" : `did you mean ${nearest}?`;
  return `is not a time zone: ${JSON.stringify(name)}; ${hint}`;
}

function periodsOf(name: string): ZonePeriods {
  const periods = new Map<number, ZonePeriod>();
  let last: ZonePeriod | undefined;
  return {
    name,
    periodAt(ms) {
      if (last !== undefined && last.startMs <= ms && ms < last.endMs) return last;
      const bounds = boundsAt(name, ms);
      last = periods.get(bounds.startMs);
      if (last !== undefined) return last;
      if (periods.size >= periodsMax) periods.clear();
      last = { ...bounds, shownUntilMs: shownUntil(name, bounds.startMs) };
      periods.set(last.startMs, last);
      return last;
    },
  };
}

type Bounds = Pick<ZonePeriod, "startMs" | "endMs" | "offsetMs">;

function boundsAt(name: string, ms: number): Bounds {
  const at = Temporal.Instant.fromEpochMilliseconds(Math.floor(ms)).toZonedDateTimeISO(name);
  // "Previous" is strictly before, and the period may start at this very moment.
  const start = at.add({ nanoseconds: 1 }).getTimeZoneTransition("previous");
  const end = at.getTimeZoneTransition("next");
  return {
    startMs: start?.epochMilliseconds ?? Number.NEGATIVE_INFINITY,
    endMs: end?.epochMilliseconds ?? Number.POSITIVE_INFINITY,
    offsetMs: Math.round(at.offsetNanoseconds / 1e6),
  };
}

function shownUntil(name: string, startMs: number): number {
  let shownUntilMs = Number.NEGATIVE_INFINITY;
  let endMs = startMs;
  while (endMs > startMs - offsetsDifferMaxMs && Number.isFinite(endMs)) {
    const earlier = boundsAt(name, endMs - 1);
    shownUntilMs = Math.max(shownUntilMs, endMs + earlier.offsetMs);
    endMs = earlier.startMs;
  }
  return shownUntilMs;
}
