/** Timers (rules on timer triggers) as the API lists them, with the outcomes of their slots. */
import type { Id } from "../../model/identifiers.ts";
import type { JsonObject, JsonValue } from "../../model/json/json.ts";
import { listStatements, type ListStatements } from "../page.ts";
import type { Row, Statement } from "../statement.ts";
import type { DefinitionName } from "./definition-edits.ts";
import { isFoundIn, type DefinitionOrder } from "./definition-lists.ts";

export interface TimerEntry {
  readonly ruleId: Id;
  readonly ruleRef: string;
  readonly label: string;
  readonly packRef: string | null;
  readonly triggerRef: string;
  /** As stored. */
  readonly params: JsonValue;
  /** Both the rule and its trigger. */
  readonly isEnabled: boolean;
  /** From when its slots count. */
  readonly sinceAt: Date;
  /** Up to when slots are settled; null: none of the present schedule. */
  readonly settledUntilAt: Date | null;
  readonly executionCount: number;
  readonly counts: JsonObject;
  readonly lastScheduledAt: Date | null;
  readonly lastFiredAt: Date | null;
  /** Why the sensor cannot use its params; null: it can, or has not seen them. */
  readonly problem: string | null;
  /** The calendars in the configuration of the timers' sensor. */
  readonly calendars: JsonValue;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

/** Null means any. */
export interface TimerFilter {
  readonly isEnabled: boolean | null;
  readonly triggerRef: string | null;
  readonly packRef: string | null;
  /** The ref or label of its rule, or its trigger's ref contains this text, in upper or lower case. */
  readonly search: string | null;
}

/** One slot, or several in a row with the same outcome. */
export interface SlotEntry {
  readonly outcome: "fired" | "late" | "skipped";
  readonly reason: string | null;
  readonly firstScheduledAt: Date;
  readonly lastScheduledAt: Date;
  readonly slots: number;
  /** False: `slots` is an estimate. */
  readonly isCounted: boolean;
  readonly lateSeconds: number | null;
  readonly firedAt: Date | null;
  readonly event: Id | null;
}

// A cursor of a former schedule says nothing about the present one.
const timers = `(
      select rule.id, rule.ref, rule.label, rule.pack_ref, rule.trigger_ref, rule.trigger_params,
             rule.enabled and coalesce(trigger.enabled, true) as enabled,
             coalesce(settled.series_since, timer.schedule_since) as since, settled.settled_until,
             coalesce(settled.execution_count, 0)::float8 as execution_count,
             coalesce(settled.counts, '{}') as counts, settled.last_scheduled_at, settled.last_fired_at,
             settled.problem,
             (select config -> 'calendars'
                from sensor
               where ref = 'core.timers') as calendars,
             rule.created, rule.updated
        from timer_rule as timer
        join rule
          on rule.id = timer.rule
        left join trigger
          on trigger.ref = rule.trigger_ref
        left join timer_cursor as settled
          on settled.rule = rule.id
         and settled.schedule_since = timer.schedule_since) as entry`;

export function listTimers(order: DefinitionOrder): ListStatements<TimerFilter, TimerEntry> {
  return listStatements(
    {
      name: "timers",
      columns: "*",
      from: timers,
      matching: `($1::boolean is null or enabled = $1)
       and ($2::text is null or trigger_ref = $2)
       and ($3::text is null or pack_ref = $3)
       and ($4::text is null or ${isFoundIn("$4", ["ref", "label", "trigger_ref"])})`,
      valueCount: 4,
      values: ({ isEnabled, triggerRef, packRef, search }) => [isEnabled, triggerRef, packRef, search],
      decode: timerEntry,
    },
    order,
  );
}

/** Returns no row if there is no such rule, or its trigger is not a timer. */
export const readTimer: Statement<DefinitionName, TimerEntry> = {
  name: "read_timer",
  text: `
    select *
      from ${timers}
     where ref = $1
        or id = $2
     order by ref = $1 desc
     limit 1`,
  values: ({ ref, id }) => [ref, id],
  decode: timerEntry,
};

/** The newest first. */
export const readTimerSlots: Statement<{ readonly ruleId: Id; readonly limit: number }, SlotEntry> = {
  name: "read_timer_slots",
  text: `
    select outcome, reason, first_scheduled_at, last_scheduled_at, slots::float8 as slots, is_counted, late_seconds, fired_at,
           event
      from timer_slot
     where rule = $1
     order by number desc
     limit $2`,
  values: ({ ruleId, limit }) => [ruleId, limit],
  decode: (row) => ({
    outcome: row.word("outcome", ["fired", "late", "skipped"]),
    reason: row.textOrNull("reason"),
    firstScheduledAt: row.instant("first_scheduled_at"),
    lastScheduledAt: row.instant("last_scheduled_at"),
    slots: row.number("slots"),
    isCounted: row.boolean("is_counted"),
    lateSeconds: row.numberOrNull("late_seconds"),
    firedAt: row.instantOrNull("fired_at"),
    event: row.idOrNull("event"),
  }),
};

function timerEntry(row: Row): TimerEntry {
  return {
    ruleId: row.id("id"),
    ruleRef: row.text("ref"),
    label: row.text("label"),
    packRef: row.textOrNull("pack_ref"),
    triggerRef: row.text("trigger_ref"),
    params: row.json("trigger_params"),
    isEnabled: row.boolean("enabled"),
    sinceAt: row.instant("since"),
    settledUntilAt: row.instantOrNull("settled_until"),
    executionCount: row.number("execution_count"),
    counts: row.jsonObject("counts"),
    lastScheduledAt: row.instantOrNull("last_scheduled_at"),
    lastFiredAt: row.instantOrNull("last_fired_at"),
    problem: row.textOrNull("problem"),
    calendars: row.json("calendars"),
    createdAt: row.instant("created"),
    updatedAt: row.instant("updated"),
  };
}
