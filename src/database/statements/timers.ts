/** The rules on timers, and the outcomes of their slots. */
import assert from "node:assert/strict";
import type { Id } from "../../model/identifiers.ts";
import { nearestDouble } from "../../model/json/exact-number.ts";
import { isJsonArray, type JsonObject, type JsonValue } from "../../model/json/json.ts";
import type { AssignmentTerm } from "../../model/sensors/incoming-event.ts";
import { noRows, type Row, type Statement } from "../statement.ts";
import { servesTrigger } from "./served-triggers.ts";

export interface TimerRow {
  readonly id: Id;
  readonly ref: string;
  readonly triggerRef: string;
  /** As stored. */
  readonly params: JsonValue;
  /** Of the sensor's configuration, if the rule excludes days; else null. */
  readonly calendars: JsonValue;
  readonly scheduleSinceMs: number;
  /** Since when its params have had a `paused_until`. */
  readonly pausedSinceMs: number | null;
  /** Times in which it was disabled or paused: from, until. */
  readonly pauses: readonly (readonly [number, number])[];
  /** Null: none of its slots is settled. */
  readonly cursor: TimerCursor | null;
}

export interface TimerCursor {
  readonly scheduleSinceMs: number;
  readonly seriesSinceMs: number;
  readonly settledUntilMs: number;
  readonly executionCount: number;
  readonly counts: JsonObject;
  readonly lastScheduledMs: number | null;
  readonly lastFiredMs: number | null;
  readonly runFirstMs: number | null;
  readonly runSlots: number;
  readonly entries: number;
  readonly problem: string | null;
}

/** The enabled rules on enabled triggers of a timer sensor. A rule without a row in timer_rule is left out. */
export const readTimers: Statement<Id, TimerRow> = {
  name: "read_timers",
  text: `
    select rule.id, rule.ref, rule.trigger_ref, rule.trigger_params,
           case when rule.trigger_params -> 'exclude' is not null then sensor.config -> 'calendars' end as calendars,
           timer.schedule_since, timer.paused_since,
           (select coalesce(jsonb_agg(jsonb_build_array((extract(epoch from lower(pause)) * 1000)::float8,
                                                        (extract(epoch from upper(pause)) * 1000)::float8)
                                      order by pause), '[]')
              from unnest(timer.pauses) as pause) as pauses,
           settled.schedule_since as cursor_schedule_since, settled.series_since, settled.settled_until,
           settled.execution_count::float8 as execution_count, settled.counts, settled.last_scheduled_at,
           settled.last_fired_at, settled.run_first_at, settled.run_slots::float8 as run_slots,
           settled.entries::float8 as entries, settled.problem
      from sensor
      join trigger as served
        on ${servesTrigger("sensor", "served")}
       and served.enabled
      join rule
        on rule.trigger_ref = served.ref
       and rule.enabled
      join timer_rule as timer
        on timer.rule = rule.id
      left join timer_cursor as settled
        on settled.rule = rule.id
     where sensor.id = $1
     order by rule.id`,
  values: (sensorId) => [sensorId],
  decode: (row) => ({
    id: row.id("id"),
    ref: row.text("ref"),
    triggerRef: row.text("trigger_ref"),
    params: row.json("trigger_params"),
    calendars: row.json("calendars"),
    scheduleSinceMs: row.instant("schedule_since").getTime(),
    pausedSinceMs: millisecondsOrNull(row, "paused_since"),
    pauses: pausesOf(row.json("pauses")),
    cursor: row.instantOrNull("cursor_schedule_since") === null ? null : cursorOf(row),
  }),
};

function cursorOf(row: Row): TimerCursor {
  return {
    scheduleSinceMs: row.instant("cursor_schedule_since").getTime(),
    seriesSinceMs: row.instant("series_since").getTime(),
    settledUntilMs: row.instant("settled_until").getTime(),
    executionCount: row.number("execution_count"),
    counts: row.jsonObject("counts"),
    lastScheduledMs: millisecondsOrNull(row, "last_scheduled_at"),
    lastFiredMs: millisecondsOrNull(row, "last_fired_at"),
    runFirstMs: millisecondsOrNull(row, "run_first_at"),
    runSlots: row.number("run_slots"),
    entries: row.number("entries"),
    problem: row.textOrNull("problem"),
  };
}

function millisecondsOrNull(row: Row, column: string): number | null {
  return row.instantOrNull(column)?.getTime() ?? null;
}

function pausesOf(value: JsonValue): readonly (readonly [number, number])[] {
  assert(isJsonArray(value), "read_timers: pauses is not an array");
  return value.map((pause) => {
    assert(isJsonArray(pause), "read_timers: a pause is not an array");
    const [from = null, until = null] = pause;
    return [nearestDouble(from) ?? 0, nearestDouble(until) ?? 0] as const;
  });
}

export interface WrittenCursor extends TimerCursor {
  readonly rule: Id;
}

export interface WrittenSlots {
  readonly rule: Id;
  readonly number: number;
  readonly outcome: "fired" | "late" | "skipped";
  readonly reason: string | null;
  readonly firstMs: number;
  readonly lastMs: number;
  readonly slots: number;
  readonly isCounted: boolean;
  readonly lateSeconds: number | null;
  readonly firedMs: number | null;
  readonly event: Id | null;
}

export interface TimerProgress {
  readonly sensorId: Id;
  readonly term: AssignmentTerm;
  readonly cursors: readonly WrittenCursor[];
  readonly entries: readonly WrittenSlots[];
}

/** Rows of timer_slot kept for each rule. */
const entriesMax = 200;

/**
 * Writes how far the slots of rules are settled, and the entries about them. All values are absolute, so a statement that is
 * repeated after a lost answer changes nothing.
 *
 * It locks the term of the assignment as storing events does (statements/batches.ts), so an agent that has lost the timers
 * writes nothing: its successor has read the rows or will read them.
 *
 * @returns whether the assignment is still held
 */
export const writeTimers: Statement<TimerProgress, boolean> = {
  name: "write_timers",
  text: `
    with held as materialized (
      select sensor
        from sensor_assignment
       where sensor = $1
         and generation = $2
         and instance = $3
         for key share
    ), moved as (
      insert into timer_cursor (rule, schedule_since, series_since, settled_until, execution_count, counts,
                                last_scheduled_at, last_fired_at, run_first_at, run_slots, entries, problem, updated)
      select rule, schedule_since, series_since, settled_until, execution_count, counts,
             last_scheduled_at, last_fired_at, run_first_at, run_slots, entries, problem, now()
        from jsonb_to_recordset($4::jsonb)
             as cursor (rule bigint, schedule_since timestamptz, series_since timestamptz, settled_until timestamptz,
                        execution_count bigint, counts jsonb, last_scheduled_at timestamptz, last_fired_at timestamptz,
                        run_first_at timestamptz, run_slots bigint, entries bigint, problem text)
       where exists (select from held)
       order by rule
      on conflict (rule) do update
         set schedule_since = excluded.schedule_since,
             series_since = excluded.series_since,
             settled_until = excluded.settled_until,
             execution_count = excluded.execution_count,
             counts = excluded.counts,
             last_scheduled_at = excluded.last_scheduled_at,
             last_fired_at = excluded.last_fired_at,
             run_first_at = excluded.run_first_at,
             run_slots = excluded.run_slots,
             entries = excluded.entries,
             problem = excluded.problem,
             updated = excluded.updated
    ), entry as materialized (
      select *
        from jsonb_to_recordset($5::jsonb)
             as entry (rule bigint, number bigint, outcome text, reason text, first_scheduled_at timestamptz,
                       last_scheduled_at timestamptz, slots bigint, is_counted boolean, late_seconds float8,
                       fired_at timestamptz, event bigint)
       where exists (select from held)
    ), entered as (
      insert into timer_slot (rule, number, outcome, reason, first_scheduled_at, last_scheduled_at, slots, is_counted,
                              late_seconds, fired_at, event)
      select rule, number, outcome, reason, first_scheduled_at, last_scheduled_at, slots, is_counted,
             late_seconds, fired_at, event
        from entry
      on conflict (rule, number) do update
         set outcome = excluded.outcome,
             reason = excluded.reason,
             first_scheduled_at = excluded.first_scheduled_at,
             last_scheduled_at = excluded.last_scheduled_at,
             slots = excluded.slots,
             is_counted = excluded.is_counted,
             late_seconds = excluded.late_seconds,
             fired_at = excluded.fired_at,
             event = excluded.event
    ), trimmed as (
      delete from timer_slot
       using (select rule, max(number) as newest from entry group by rule) as latest
       where timer_slot.rule = latest.rule
         and timer_slot.number <= latest.newest - ${entriesMax}
    )
    select exists (select from held) as is_held`,
  values: ({ sensorId, term, cursors, entries }) => [
    sensorId,
    term.generation,
    term.instance,
    JSON.stringify(cursors.map(cursorColumns)),
    JSON.stringify(entries.map(slotColumns)),
  ],
  decode: (row) => row.boolean("is_held"),
};

function cursorColumns(cursor: WrittenCursor): object {
  return {
    rule: cursor.rule,
    schedule_since: instantOf(cursor.scheduleSinceMs),
    series_since: instantOf(cursor.seriesSinceMs),
    settled_until: instantOf(cursor.settledUntilMs),
    execution_count: cursor.executionCount,
    counts: cursor.counts,
    last_scheduled_at: instantOf(cursor.lastScheduledMs),
    last_fired_at: instantOf(cursor.lastFiredMs),
    run_first_at: instantOf(cursor.runFirstMs),
    run_slots: cursor.runSlots,
    entries: cursor.entries,
    problem: cursor.problem,
  };
}

function slotColumns(slots: WrittenSlots): object {
  return {
    rule: slots.rule,
    number: slots.number,
    outcome: slots.outcome,
    reason: slots.reason,
    first_scheduled_at: instantOf(slots.firstMs),
    last_scheduled_at: instantOf(slots.lastMs),
    slots: slots.slots,
    is_counted: slots.isCounted,
    late_seconds: slots.lateSeconds,
    fired_at: instantOf(slots.firedMs),
    event: slots.event,
  };
}

function instantOf(atMs: number | null): string | null {
  return atMs === null ? null : new Date(atMs).toISOString();
}

/** Deletes what is left of rules that are gone. */
export const forgetTimers: Statement<void, never> = {
  name: "forget_timers",
  text: `
    with forgotten as (
      delete from timer_cursor
       where not exists (select from rule where rule.id = timer_cursor.rule)
    )
    delete from timer_slot
     where not exists (select from rule where rule.id = timer_slot.rule)`,
  values: () => [],
  decode: noRows,
};
