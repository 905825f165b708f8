/** What an operator may have to know of rules: which match nothing, and what those on built-in sensors ask for. */
import type { Id } from "../../model/identifiers.ts";
import type { JsonValue } from "../../model/json/json.ts";
import { parseJson } from "../../model/json/json-text.ts";
import type { Statement } from "../statement.ts";

export interface RuleProblem {
  readonly ruleRef: string;
  readonly problem: string;
  readonly since: Date;
}

/** The enabled rules that agents could not use. */
export const readRuleProblems: Statement<void, RuleProblem> = {
  name: "read_rule_problems",
  text: `
    select rule.ref, rule_problem.problem, rule_problem.since
      from rule_problem
      join rule
        on rule.id = rule_problem.rule
     where rule.enabled
     order by rule.ref`,
  values: () => [],
  decode: (row) => ({
    ruleRef: row.text("ref"),
    problem: row.text("problem"),
    since: row.instant("since"),
  }),
};

export interface RuleConditions {
  readonly ruleRef: string;
  readonly conditions: JsonValue;
}

/** The conditions of all enabled rules that have any. */
export const readRuleConditions: Statement<void, RuleConditions> = {
  name: "read_rule_conditions",
  text: `
    select ref, conditions::text as conditions
      from rule
     where enabled
       and conditions not in ('null', '{}', '[]')
     order by ref`,
  values: () => [],
  decode: (row) => ({ ruleRef: row.text("ref"), conditions: parseJson(row.text("conditions")) }),
};

export interface StrayRule {
  readonly ruleRef: string;
  readonly triggerRef: string;
  /** Whether a trigger with that ref exists. */
  readonly isTriggerKnown: boolean;
  /** The ref of the trigger that its column `trigger` points to; null if it points to none. */
  readonly pointedRef: string | null;
}

/** The enabled rules whose trigger does not exist, or whose trigger_ref and trigger id disagree. */
export const readStrayRules: Statement<void, StrayRule> = {
  name: "read_stray_rules",
  text: `
    select rule.ref, rule.trigger_ref, named.id is not null as is_trigger_known, pointed.ref as pointed_ref
      from rule
      left join trigger as named
             on named.ref = rule.trigger_ref
      left join trigger as pointed
             on pointed.id = rule.trigger
     where rule.enabled
       and (named.id is null or pointed.id <> named.id)
     order by rule.ref`,
  values: () => [],
  decode: (row) => ({
    ruleRef: row.text("ref"),
    triggerRef: row.text("trigger_ref"),
    isTriggerKnown: row.boolean("is_trigger_known"),
    pointedRef: row.textOrNull("pointed_ref"),
  }),
};

export interface BuiltinRule {
  readonly id: Id;
  readonly ref: string;
  readonly packRef: string | null;
  readonly triggerRef: string;
  /** As stored. */
  readonly params: JsonValue;
  /** Those in the configuration of the timers' sensor, for a rule that excludes days. */
  readonly calendars: JsonValue;
  /** Why its timer does not fire, as the agent that runs the timers says. */
  readonly timerProblem: string | null;
}

/** The enabled rules on triggers of the built-in sensors, the oldest first. */
export const readBuiltinRules: Statement<void, BuiltinRule> = {
  name: "read_builtin_rules",
  text: `
    select rule.id, rule.ref, rule.pack_ref, rule.trigger_ref, rule.trigger_params,
           case when timer_cursor.schedule_since = timer_rule.schedule_since then timer_cursor.problem end as problem,
           case when rule.trigger_params -> 'exclude' is not null
                then (select config -> 'calendars' from sensor where ref = 'core.timers') end as calendars
      from rule
      left join timer_rule
        on timer_rule.rule = rule.id
      left join timer_cursor
        on timer_cursor.rule = rule.id
     where rule.enabled
       and rule.trigger_ref in ('core.intervaltimer', 'core.timer', 'core.crontimer', 'core.datetimetimer',
                                'core.rruletimer', 'core.webhook', 'core.file_changed')
     order by rule.id`,
  values: () => [],
  decode: (row) => ({
    id: row.id("id"),
    ref: row.text("ref"),
    packRef: row.textOrNull("pack_ref"),
    triggerRef: row.text("trigger_ref"),
    params: row.json("trigger_params"),
    calendars: row.json("calendars"),
    timerProblem: row.textOrNull("problem"),
  }),
};

export interface SkippedTimer {
  readonly ruleRef: string;
  readonly reason: string;
  readonly slots: number;
  readonly isCounted: boolean;
  readonly lastAt: Date;
}

/** Slots of the last day that were skipped although the rule was not paused; by rule and reason, the most first. */
export const readSkippedTimers: Statement<number, SkippedTimer> = {
  name: "read_skipped_timers",
  text: `
    select rule.ref, coalesce(timer_slot.reason, '') as reason, sum(timer_slot.slots)::float8 as slots,
           bool_and(timer_slot.is_counted) as is_counted, max(timer_slot.last_scheduled_at) as last_at
      from timer_slot
      join rule
        on rule.id = timer_slot.rule
     where timer_slot.outcome = 'skipped'
       and timer_slot.reason is distinct from 'paused'
       and timer_slot.last_scheduled_at > now() - interval '1 day'
     group by rule.ref, timer_slot.reason
     order by sum(timer_slot.slots) desc, rule.ref
     limit $1`,
  values: (countMax) => [countMax],
  decode: (row) => ({
    ruleRef: row.text("ref"),
    reason: row.text("reason"),
    slots: row.number("slots"),
    isCounted: row.boolean("is_counted"),
    lastAt: row.instant("last_at"),
  }),
};
