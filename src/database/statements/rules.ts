/**
 * Reads rules and their changes, records which rules are unusable, and stores enforcements for events that are already
 * stored.
 */
import assert from "node:assert/strict";
import type { TriggerDefinition } from "../../model/definitions.ts";
import type { Id } from "../../model/identifiers.ts";
import { isJsonObject, type JsonValue } from "../../model/json/json.ts";
import { parseJson } from "../../model/json/json-text.ts";
import type { RuleText } from "../../model/rules/compiled-rule.ts";
import type { Row, Statement } from "../statement.ts";
import { copiedPayload } from "./batches.ts";

/** What a rule is compiled from. */
export const ruleText = `
  jsonb_build_object('ref', rule.ref, 'trigger_ref', rule.trigger_ref, 'action', rule.action::text,
                     'action_ref', rule.action_ref, 'conditions', rule.conditions,
                     'trigger_params', rule.trigger_params, 'action_params', rule.action_params)::text`;

const triggerText = `
  jsonb_build_object('id', trigger.id::text, 'label', trigger.label, 'enabled', trigger.enabled,
                     'param_schema', trigger.param_schema, 'out_schema', trigger.out_schema)::text`;

export type RuleChangeRow =
  | {
      readonly kind: "revision";
      readonly revision: Id;
      /** False if the changes since the known revision are not remembered, or are too many; the other rows are missing then. */
      readonly isKnown: boolean;
    }
  | TriggerRow
  | RuleRow;

/** With its text, which readers decode a few at a time. */
export interface TriggerRow {
  readonly kind: "trigger";
  readonly ref: string;
  /** Of the trigger or a rule on it. */
  readonly revision: Id;
  /** Undefined if there is none, or no longer. */
  readonly text: string | undefined;
}

/** With its text, which readers decode a few at a time. */
export interface RuleRow {
  readonly kind: "rule";
  readonly id: Id;
  /** Undefined if it is no longer there, or disabled. */
  readonly text: string | undefined;
}

/**
 * What has changed since a revision: triggers with their revisions, and rules, as of one instant.
 *
 * It is complete because revisions are drawn in the order of commits (see the migration log_rule_changes) and a statement has
 * one snapshot. A revision that is not among the remembered ones is another database's, or one that a failover or the
 * restoration of a backup has lost; nothing is known about what came before it then.
 *
 * The lateral queries keep the planner from reading a whole table for a few rows, whatever it expects.
 */
export const readRuleChanges: Statement<{ readonly since: Id; readonly rulesMax: number }, RuleChangeRow> = {
  name: "read_rule_changes",
  text: `
    with newest as materialized (
      select value,
             value = $1
             or known_from = $1
             or (known_from < $1 and exists (select from rule_commit where revision = $1)) as is_known
        from rule_revision
    ), change as materialized (
      select change.kind, change.id, change.trigger_ref
        from (select xid
                from rule_commit
               where revision > $1
                 and (select is_known from newest)
               order by revision) as since
       cross join lateral (select kind, id, trigger_ref from rule_change where rule_change.xid = since.xid offset 0) as change
       limit 4 * $2
    ), changed_rule as materialized (
      select distinct id
        from change
       where kind = 'rule'
    ), bounded as materialized (
      select (select count(*) from change) < 4 * $2 and (select count(*) from changed_rule) <= $2 as is_complete
    )
    select 'revision' as kind, value as id, null as ref, null as definition,
           is_known and (select is_complete from bounded) as is_known
      from newest
     union all
    select 'trigger', coalesce(revision.value, 0), changed.trigger_ref, described.definition, null
      from (select distinct trigger_ref from change) as changed
      left join lateral (select value from trigger_revision
                          where trigger_revision.trigger_ref = changed.trigger_ref offset 0) as revision on true
      left join lateral (select ${triggerText} as definition from trigger
                          where trigger.ref = changed.trigger_ref offset 0) as described on true
     where (select is_complete from bounded)
     union all
    select 'rule', changed_rule.id, null, written.definition, null
      from changed_rule
      left join lateral (select ${ruleText} as definition from rule
                          where rule.id = changed_rule.id
                            and rule.enabled offset 0) as written on true
     where (select is_complete from bounded)`,
  values: ({ since, rulesMax }) => [since, rulesMax],
  decode: (row) => {
    const kind = row.word("kind", ["revision", "trigger", "rule"]);
    if (kind === "revision") return { kind, revision: row.id("id"), isKnown: row.boolean("is_known") };
    return kind === "trigger" ? decodeTriggerRow(row) : decodeRuleRow(row);
  },
};

export type RuleStartRow = { readonly kind: "revision"; readonly revision: Id } | TriggerRow;

/**
 * The revision, and every trigger. Someone who reads the rules after it, and then what has changed since that revision, knows
 * all of it at one revision.
 */
export const readTriggers: Statement<void, RuleStartRow> = {
  name: "read_triggers",
  text: `
    select 'revision' as kind, value as id, null as ref, null as definition
      from rule_revision
     union all
    select 'trigger', coalesce(trigger_revision.value, 0), coalesce(trigger.ref, trigger_revision.trigger_ref),
           case when trigger.id is not null then ${triggerText} end
      from trigger
      full join trigger_revision on trigger_revision.trigger_ref = trigger.ref`,
  values: () => [],
  decode: (row) => {
    const kind = row.word("kind", ["revision", "trigger"]);
    return kind === "revision" ? { kind, revision: row.id("id") } : decodeTriggerRow(row);
  },
};

/** The enabled rules with the next ids. */
export const readRulePage: Statement<{ readonly after: Id; readonly rulesMax: number }, RuleRow> = {
  name: "read_rule_page",
  text: `
    select id, ${ruleText} as definition
      from rule
     where enabled
       and id > $1
     order by id
     limit $2`,
  values: ({ after, rulesMax }) => [after, rulesMax],
  decode: decodeRuleRow,
};

function decodeTriggerRow(row: Row): TriggerRow {
  const text = row.textOrNull("definition") ?? undefined;
  return { kind: "trigger", ref: row.text("ref"), revision: row.id("id"), text };
}

function decodeRuleRow(row: Row): RuleRow {
  return { kind: "rule", id: row.id("id"), text: row.textOrNull("definition") ?? undefined };
}

export function decodeTrigger(ref: string, text: string): TriggerDefinition {
  const { id, label, enabled, param_schema, out_schema } = parseObject(text);
  assert(typeof id === "string" && typeof label === "string" && typeof enabled === "boolean", text);
  return {
    id,
    ref,
    label,
    enabled,
    // A schema that is not an object describes nothing, but the column accepts any JSON.
    paramSchema: isJsonObject(param_schema) ? param_schema : {},
    outSchema: isJsonObject(out_schema) ? out_schema : {},
  };
}

export function decodeRule(id: Id, text: string): RuleText {
  const { ref, trigger_ref, action, action_ref, conditions, trigger_params, action_params } =
    parseObject(text);
  assert(typeof ref === "string" && typeof trigger_ref === "string" && typeof action_ref === "string", text);
  return {
    id,
    ref,
    triggerRef: trigger_ref,
    actionId: typeof action === "string" ? action : null,
    actionRef: action_ref,
    conditions: conditions ?? null,
    triggerParams: trigger_params ?? {},
    actionParams: action_params ?? {},
  };
}

function parseObject(text: string): Readonly<Record<string, JsonValue>> {
  const parsed = parseJson(text);
  assert(isJsonObject(parsed), text);
  return parsed;
}

export interface RuleProblem {
  readonly rule: Id;
  readonly problem: string;
}

export interface RuleProblems {
  /** The revision at which these were all the unusable rules. */
  readonly revision: Id;
  readonly problems: readonly RuleProblem[];
}

export interface RecordedProblems {
  /** False if the rules have changed since; then nothing was written. */
  readonly isCurrent: boolean;
  /** False if rows that another session had locked were skipped. */
  readonly isWhole: boolean;
}

/**
 * Replaces the contents of rule_problem, if the revision is still the newest.
 *
 * Every agent writes the same contents after each change. The revision is locked in share mode, so an agent that judged
 * older rules writes nothing. Only rows that differ are written, so a problem keeps the time it was first seen.
 *
 * The rows are locked before the revision, and locked rows are skipped: a user's transaction holds the rules that it
 * changed and takes the revision when it commits. Waiting for such a rule while holding the revision would be a
 * deadlock, and the user's transaction might be the one to fail. Skipped rows are written after that change.
 */
export const recordRuleProblems: Statement<RuleProblems, RecordedProblems> = {
  name: "record_rule_problems",
  text: `
    with given as materialized (
      select given.rule, given.problem
        from jsonb_to_recordset($2::jsonb) as given (rule bigint, problem text)
    ), rule_held as materialized (
      select rule.id
        from rule
       where rule.id in (select rule from given)
       order by rule.id
         for key share skip locked
    ), problem_held as materialized (
      select rule
        from rule_problem
       order by rule
         for update skip locked
    ), revision_held as materialized (
      select value
        from rule_revision
       where value = $1
         -- Always true; forces the rows to be locked first.
         and (select count(*) from rule_held) + (select count(*) from problem_held) >= 0
         for share
    ), passed_over as materialized (
      select rule from given where rule not in (select id from rule_held)
      union
      select rule from rule_problem where rule not in (select rule from problem_held)
    ), solved as (
      delete from rule_problem
       where exists (select from revision_held)
         and rule not in (select rule from given)
         and rule not in (select rule from passed_over)
    ), written as (
      insert into rule_problem (rule, problem)
      select rule, problem
        from given
       where exists (select from revision_held)
         and rule not in (select rule from passed_over)
       order by rule
      on conflict (rule) do update
         set problem = excluded.problem,
             since = now()
       where rule_problem.problem <> excluded.problem
    )
    select exists (select from revision_held) as is_current,
           not exists (select from passed_over) as is_whole`,
  values: ({ revision, problems }) => [revision, JSON.stringify(problems)],
  decode: (row) => ({ isCurrent: row.boolean("is_current"), isWhole: row.boolean("is_whole") }),
};

/** One match of one rule with an event that is already stored. */
export interface EnforcementToStore {
  readonly id: Id;
  readonly messageId: string;
  readonly ruleId: Id;
  readonly ruleRef: string;
  readonly actionId: Id | null;
  readonly actionRef: string;
  readonly config: JsonValue;
  readonly condition: "all" | "any";
  readonly conditionsJson: string;
}

export interface EnforcementsToStore {
  readonly eventId: Id;
  readonly enforcements: readonly EnforcementToStore[];
  /** The revisions of triggers, by ref, that they were matched at; empty to store them whatever the current rules are. */
  readonly triggerRevisions: Readonly<Record<string, Id>>;
  /** The event that a replay repeats; null if this is no replay. */
  readonly replayedFrom: Id | null;
  /** The instance that publishes the messages; null leaves them to a sweeper. */
  readonly publisherInstance: string | null;
}

export interface StoredEnforcements {
  /** False if the rules have changed since; then nothing was stored. */
  readonly isCurrent: boolean;
  readonly storedAt: Date;
  /** The enforcements that were not there before. */
  readonly storedIds: readonly Id[];
}

/** Nobody else adds enforcements to this event until the transaction ends. */
export const takeTurnAtEvent: Statement<{ readonly eventId: Id }, null> = {
  name: "take_turn_at_event",
  text: `
    select pg_advisory_xact_lock(hashtextextended(current_schema() || ' event ' || $1::bigint, 0))`,
  values: ({ eventId }) => [eventId],
  decode: () => null,
};

/**
 * Adds enforcements to a stored event, with their messages. The caller has the turn at the event (takeTurnAtEvent).
 *
 * There is one per rule and event, even if several agents store them at the same time: an existing enforcement stays
 * as it is and gets no second message. A key of the table ensures that only within a partition. The event's trigger is
 * locked in share mode, as in store_batch, so that no enforcement of an older rule is stored after the rule has changed.
 */
export const storeEnforcements: Statement<EnforcementsToStore, StoredEnforcements> = {
  name: "store_enforcements",
  text: `
    with rules_held as materialized (
      select
       where are_rules_current($3::jsonb)
    ), matched as materialized (
      select match.*, event.trigger_ref, event.payload, event.id as event
        from jsonb_to_recordset($2::jsonb)
             as match (id bigint, message_id uuid, rule bigint, rule_ref text, action bigint,
                       action_ref text, config jsonb, condition enforcement_condition_enum, conditions jsonb)
        join event on event.id = $1
       where exists (select from rules_held)
         and not exists (select
                           from enforcement as present
                          where present.event = $1
                            and present.rule = match.rule)
       order by match.rule
    ), enforced as (
      insert into enforcement (id, rule, rule_ref, trigger_ref, action, action_ref, event, config, payload,
                               condition, conditions, replayed_from)
      select id, rule, rule_ref, trigger_ref, action, action_ref, event, config, ${copiedPayload("payload")},
             condition, conditions, $4
        from matched
      on conflict do nothing
      returning id
    ), owed as (
      insert into outbox (message_id, routing_key, enforcement, instance, bytes)
      select matched.message_id, 'enforcement.created', matched.id, $5::uuid,
             octet_length(matched.payload::text) + octet_length(matched.config::text)
        from matched
        join enforced using (id)
    )
    select exists (select from rules_held) as is_current, now() as stored_at,
           (select coalesce(jsonb_agg(id::text order by id), '[]') from enforced) as stored`,
  values: ({ eventId, enforcements, triggerRevisions, replayedFrom, publisherInstance }) => [
    eventId,
    JSON.stringify(
      enforcements.map(({ messageId, ruleId, ruleRef, actionId, actionRef, conditionsJson, ...match }) => ({
        ...match,
        conditions: parseJson(conditionsJson),
        message_id: messageId,
        rule: ruleId,
        rule_ref: ruleRef,
        action: actionId,
        action_ref: actionRef,
      })),
    ),
    JSON.stringify(triggerRevisions),
    replayedFrom,
    publisherInstance,
  ],
  decode: (row) => ({
    isCurrent: row.boolean("is_current"),
    storedAt: row.instant("stored_at"),
    storedIds: row.texts("stored"),
  }),
};

/** The enforcements of an event for these rules, in order of rule. */
export const findEnforcements: Statement<
  { readonly eventId: Id; readonly ruleIds: readonly Id[] },
  { readonly id: Id }
> = {
  name: "find_enforcements",
  text: `
    select id
      from enforcement
     where event = $1
       and rule = any ($2::bigint[])
     order by rule`,
  values: ({ eventId, ruleIds }) => [eventId, ruleIds],
  decode: (row) => ({ id: row.id("id") }),
};
