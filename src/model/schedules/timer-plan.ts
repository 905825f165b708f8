/**
 * The settings of a rule on a timer trigger: its schedule, and what to do with slots that could not fire in time.
 * docs/timers.md describes the params.
 */
import { invalid, valid, type Decoded } from "../json/decoded.ts";
import type { JsonObject } from "../json/json.ts";
import { describePlaced, type PlacedProblem } from "../placed-problem.ts";
import { decodeCron } from "./cron.ts";
import { decodeDateTime, startOfDay } from "./date-time.ts";
import { without } from "./exclusion.ts";
import { readExclusions, type Calendars } from "./exclusions.ts";
import { everyInterval } from "./interval.ts";
import { absurdities } from "./absurdities.ts";
import { ParamReader } from "./param-reader.ts";
import { decodeRecurrence } from "./recurrence.ts";
import { fractionOf } from "./scatter.ts";
import { lastSlotMs, remembering, type NextTime, type Schedule } from "./schedule.ts";
import { inRealTime } from "./wall-clock.ts";
import { decodeZone, type ZonePeriods } from "./zone-periods.ts";

export interface TimerPlan {
  readonly schedule: Schedule;
  /** What happens to slots that passed while no agent ran the timer. */
  readonly catchUp: CatchUp;
  /** What happens to slots that passed while the rule was disabled or paused. */
  readonly onResume: "skip" | "last" | "all";
  readonly pausedUntilMs: number | null;
  readonly firesMax: number | null;
  readonly note: string | null;
}

export interface CatchUp {
  readonly mode: "none" | "last" | "all";
  /** Slots that are later than this are skipped. */
  readonly windowSeconds: number;
  /** Least time between two fires that catch up. */
  readonly spacingSeconds: number;
}

export interface TimerRule {
  readonly id: string;
  readonly ref: string;
  readonly createdMs: number;
  /** The calendars in the configuration of the timers' sensor. */
  readonly calendars?: JsonObject;
}

const daySeconds = 86_400;
const yearSeconds = 366 * daySeconds;
const intervalSecondsMin = 0.1;
const intervalSecondsMax = 100 * yearSeconds;
const scatterSecondsMax = 7 * daySeconds;
const windowSecondsMax = 10 * yearSeconds;

const catchUpModes = ["none", "last", "all"] as const;
const defaultCatchUp: CatchUp = { mode: "last", windowSeconds: daySeconds, spacingSeconds: 1 };

/** The plan of a rule on a timer trigger. Params that it does not know are ignored. */
export function decodeTimer(triggerRef: string, params: JsonObject, rule: TimerRule): Decoded<TimerPlan> {
  const problems: PlacedProblem[] = [];
  const calendars = rule.calendars ?? {};
  const plan = readPlan(triggerRef, new ParamReader(params, problems), { ...rule, calendars, problems });
  if (problems.length > 0 || plan === undefined) return invalid(describePlaced(problems));
  return valid(plan);
}

/**
 * Why a rule with these params must not be saved: what is impossible, absurd or unknown.
 *
 * @param calendars undefined if they are not known here: any name of a calendar is then accepted
 */
export function timerProblems(
  triggerRef: string,
  params: JsonObject,
  calendars?: Calendars,
): readonly PlacedProblem[] {
  const problems: PlacedProblem[] = [];
  const reader = new ParamReader(params, problems);
  // Whether a schedule is possible does not depend on when its rule is created.
  const rule = { id: "0", ref: "", createdMs: -1 };
  const plan = readPlan(triggerRef, reader, { ...rule, calendars, problems });
  reader.refuseUnknown();
  return plan === undefined || problems.length > 0
    ? problems
    : absurdities(plan, new ParamReader(params, []));
}

interface PlanContext extends Omit<TimerRule, "calendars"> {
  readonly calendars: Calendars;
  readonly problems: PlacedProblem[];
}

function readPlan(triggerRef: string, reader: ParamReader, rule: PlanContext): TimerPlan | undefined {
  const readTimesOf = readTimes.get(triggerRef);
  if (readTimesOf === undefined) return reader.refuse("trigger", `${triggerRef} is not a timer`);
  const zone = readZone(reader);
  const startMs = readStart(reader, "start_at", zone);
  const endMs = readInstant(reader, "end_at", zone, "last");
  if (startMs !== undefined && endMs !== undefined && endMs < startMs)
    reader.refuse("end_at", "must not be before start_at");
  const times = readTimesOf(reader, { zone, startMs, createdMs: rule.createdMs });
  const isExcluded = readExclusions(reader.list("exclude"), rule.calendars, rule.problems);
  const scatter = readScatter(reader, rule);
  const plan = {
    catchUp: readCatchUp(reader),
    onResume: reader.oneOf("on_resume", ["skip", "last", "all"]) ?? "skip",
    pausedUntilMs: readInstant(reader, "paused_until", zone, "first") ?? null,
    firesMax: readFiresMax(reader),
    note: reader.text("note") ?? null,
  };
  if (times === undefined) return undefined;

  const allowed =
    isExcluded.length === 0
      ? times
      : remembering(without(times, (date) => isExcluded.some((is) => is(date)), zone));
  const next = within(allowed, Math.max(rule.createdMs + 1, startMs ?? 0), endMs ?? lastSlotMs);
  return {
    ...plan,
    schedule: {
      zone: zone.name,
      next(afterMs) {
        const scheduledMs = next(afterMs);
        return scheduledMs === undefined
          ? undefined
          : { scheduledMs, dueMs: scheduledMs + scatter(scheduledMs) };
      },
    },
  };
}

interface TimesContext {
  readonly zone: ZonePeriods;
  readonly startMs: number | undefined;
  readonly createdMs: number;
}

type ReadTimes = (reader: ParamReader, context: TimesContext) => NextTime | undefined;

const readTimes: ReadonlyMap<string, ReadTimes> = new Map([
  ["core.intervaltimer", readInterval],
  ["core.timer", readInterval],
  ["core.crontimer", readCron],
  ["core.datetimetimer", readDateTime],
  ["core.rruletimer", readRecurrence],
]);

const unitSeconds = { seconds: 1, minutes: 60, hours: 3_600, days: daySeconds } as const;
const units = ["seconds", "minutes", "hours", "days"] as const;

function readInterval(reader: ParamReader, { startMs, createdMs }: TimesContext): NextTime | undefined {
  const isInSeconds = reader.has("interval_seconds");
  const unit = reader.oneOf("unit", units) ?? "seconds";
  if (isInSeconds && reader.has("interval"))
    return reader.refuse("interval_seconds", "must not be beside interval");
  const name = isInSeconds ? "interval_seconds" : "interval";
  if (!isInSeconds && !reader.has("interval")) return reader.refuse("interval", "is required");
  const count = reader.number(name, { min: Number.NEGATIVE_INFINITY, max: Number.POSITIVE_INFINITY });
  if (count === undefined) return undefined;

  if (count <= 0) return reader.refuse(name, `must be greater than 0, not ${count}`);
  const seconds = count * (isInSeconds ? 1 : unitSeconds[unit]);
  if (seconds < intervalSecondsMin)
    return reader.refuse(name, `must be at least ${intervalSecondsMin} seconds, not ${seconds}`);
  if (seconds > intervalSecondsMax)
    return reader.refuse(name, `must be at most 100 years, not ${seconds} seconds`);
  return everyInterval(Math.round(seconds * 1_000), startMs ?? createdMs);
}

function readCron(reader: ParamReader, { zone }: TimesContext): NextTime | undefined {
  const expression = reader.text("expression");
  if (expression === undefined)
    return reader.has("expression") ? undefined : reader.refuse("expression", "is required");
  const decoded = decodeCron(expression);
  if (decoded.kind === "invalid") return reader.refuse("expression", decoded.problem);
  const { next, repetition } = decoded.value;
  if (next(0) === undefined) return reader.refuse("expression", `never happens: ${expression}`);
  return remembering(inRealTime(next, zone, repetition));
}

function readDateTime(reader: ParamReader, { zone }: TimesContext): NextTime | undefined {
  if (!reader.has("fire_at")) return reader.refuse("fire_at", "is required");
  const fireMs = readStart(reader, "fire_at", zone);
  return fireMs === undefined ? undefined : (afterMs) => (afterMs < fireMs ? fireMs : undefined);
}

function readRecurrence(reader: ParamReader, context: TimesContext): NextTime | undefined {
  const { zone, startMs, createdMs } = context;
  const dtstartMs = readStart(reader, "dtstart", zone);
  const rule = reader.text("rule");
  if (rule === undefined) return reader.has("rule") ? undefined : reader.refuse("rule", "is required");
  const start = dtstartMs ?? startMs ?? startOfDay(createdMs, zone);
  const decoded = decodeRecurrence(rule, {
    zone,
    dtstartMs: Math.floor(start / 1_000) * 1_000,
    isGiven: dtstartMs !== undefined || startMs !== undefined,
  });
  return decoded.kind === "valid" ? decoded.value : reader.refuse("rule", decoded.problem);
}

function readZone(reader: ParamReader): ZonePeriods {
  const utc = decodeZone("UTC");
  if (utc.kind === "invalid") throw new Error(`UTC ${utc.problem}`);
  const name = reader.text("timezone");
  if (name === undefined) return utc.value;
  const zone = decodeZone(name);
  if (zone.kind === "valid") return zone.value;
  reader.refuse("timezone", zone.problem);
  return utc.value;
}

function readInstant(
  reader: ParamReader,
  name: string,
  zone: ZonePeriods,
  edge: "first" | "last",
): number | undefined {
  const text = reader.text(name);
  if (text === undefined) return undefined;
  const instant = decodeDateTime(text, zone, edge);
  return instant.kind === "valid" ? instant.value : reader.refuse(name, instant.problem);
}

/** As `readInstant`, for the time of a first fire. */
function readStart(reader: ParamReader, name: string, zone: ZonePeriods): number | undefined {
  const ms = readInstant(reader, name, zone, "first");
  if (ms === undefined || ms <= lastSlotMs) return ms;
  return reader.refuse(name, `must be before the year 3000, not ${reader.text(name)}`);
}

/** By how much slots are delayed, in milliseconds: the same amount for the same rule and slot, everywhere. */
function readScatter(reader: ParamReader, { ref }: Pick<TimerRule, "ref">): (scheduledMs: number) => number {
  const bounds = { min: 0, max: scatterSecondsMax };
  const jitterMs = (reader.number("jitter", bounds) ?? 0) * 1_000;
  const spreadMs = (reader.number("spread", bounds) ?? 0) * 1_000;
  const shiftMs = Math.floor(fractionOf(ref) * spreadMs);
  if (jitterMs === 0) return () => shiftMs;
  return (scheduledMs) => shiftMs + Math.floor(fractionOf(`${ref} ${scheduledMs}`) * jitterMs);
}

function readCatchUp(reader: ParamReader): CatchUp {
  if (typeof reader.value("catch_up") === "string")
    return { ...defaultCatchUp, mode: reader.oneOf("catch_up", catchUpModes) ?? defaultCatchUp.mode };
  const members = reader.members("catch_up");
  if (members === undefined) return defaultCatchUp;
  const catchUp = {
    mode: members.oneOf("mode", catchUpModes) ?? defaultCatchUp.mode,
    windowSeconds:
      members.number("window", { min: 0, max: windowSecondsMax }) ?? defaultCatchUp.windowSeconds,
    spacingSeconds: members.number("spacing", { min: 0, max: daySeconds }) ?? defaultCatchUp.spacingSeconds,
  };
  members.refuseUnknown();
  return catchUp;
}

function readFiresMax(reader: ParamReader): number | null {
  const count = reader.number("max_fires", { min: 1, max: Number.MAX_SAFE_INTEGER });
  if (count === undefined) return null;
  return Number.isInteger(count)
    ? count
    : (reader.refuse("max_fires", `must be a whole number, not ${count}`) ?? null);
}

/** The slots from one time to another, both inclusive. */
function within(next: NextTime, fromMs: number, toMs: number): NextTime {
  return (afterMs) => {
    const found = next(Math.max(afterMs, fromMs - 1));
    return found === undefined || found > toMs ? undefined : found;
  };
}
