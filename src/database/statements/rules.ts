/**
 * Reads the rules as one snapshot, records which of them are unusable, and stores enforcements for events that are
 * already stored.
 */
import assert from "node:assert/strict";
import type { TriggerDefinition } from "../../model/definitions.ts";
import type { Id } from "../../model/identifiers.ts";
import { isJsonObject, type JsonValue } from "../../model/json/json.ts";
import { parseJson } from "../../model/json/json-text.ts";
import type { RuleText } from "../../model/rules/compiled-rule.ts";
import type { Row, Statement } from "../statement.ts";
import { copiedPayload } from "./batches.ts";

export const readRuleRevision: Statement<void, { readonly revision: Id }> = {
  name: "read_rule_revision",
  text: `
    select value
      from rule_revision`,
  values: () => [],
  decode: (row) => ({ revision: row.id("value") }),
};

export type RuleSnapshotRow =
  | { readonly kind: "revision"; readonly revision: Id }
  | { readonly kind: "trigger"; readonly trigger: TriggerDefinition }
  | { readonly kind: "rule"; readonly id: Id; readonly text: string };

/**
 * The revision, the triggers and the enabled rules, all as of one instant: a statement has one snapshot, and the
 * revision is raised in the transaction that changes a rule or a trigger.
 *
 * A rule is returned as the text it is compiled from, so that a reader need not parse a text that it has compiled
 * before.
 */
export const readRules: Statement<void, RuleSnapshotRow> = {
  name: "read_rules",
  text: `
    select 'revision' as kind, value as id, null as definition
      from rule_revision
     union all
    select 'trigger', id,
           jsonb_build_object('ref', ref, 'label', label, 'enabled', enabled,
                              'param_schema', param_schema, 'out_schema', out_schema)::text
      from trigger
     union all
    select 'rule', id,
           jsonb_build_object('ref', ref, 'trigger_ref', trigger_ref, 'action', action::text,
                              'action_ref', action_ref, 'conditions', conditions,
                              'trigger_params', trigger_params, 'action_params', action_params)::text
      from rule
     where enabled`,
  values: () => [],
  decode: decodeSnapshotRow,
};

function decodeSnapshotRow(row: Row): RuleSnapshotRow {
  const kind = row.word("kind", ["revision", "trigger", "rule"]);
  const id = row.id("id");
  if (kind === "revision") return { kind, revision: id };
  const text = row.text("definition");
  return kind === "rule" ? { kind, id, text } : { kind, trigger: decodeTrigger(id, text) };
}

function decodeTrigger(id: Id, text: string): TriggerDefinition {
  const { ref, label, enabled, param_schema, out_schema } = parseObject(text);
  assert(typeof ref === "string" && typeof label === "string" && typeof enabled === "boolean", text);
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
  readonly conditions: JsonValue;
}

export interface EnforcementsToStore {
  readonly eventId: Id;
  readonly enforcements: readonly EnforcementToStore[];
  /** The rule revision they were matched at; null to store them whatever the current rules are. */
  readonly revision: Id | null;
}

export interface StoredEnforcements {
  /** False if the rules have changed since; then nothing was stored. */
  readonly isCurrent: boolean;
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
 * Adds enforcements to a stored event, with their messages, which a sweeper will publish. The caller has the turn at the
 * event (takeTurnAtEvent).
 *
 * There is one per rule and event, even if several agents store them at the same time: an existing enforcement stays
 * as it is and gets no second message. A key of the table ensures that only within a partition. The revision is locked in share mode, so that no enforcement of an older rule is
 * stored after the rule has changed.
 */
export const storeEnforcements: Statement<EnforcementsToStore, StoredEnforcements> = {
  name: "store_enforcements",
  text: `
    with revision_held as materialized (
      select value
        from rule_revision
       where $3::bigint is null
          or value = $3
         for share
    ), matched as materialized (
      select match.*, event.trigger_ref, event.payload, event.id as event
        from jsonb_to_recordset($2::jsonb)
             as match (id bigint, message_id uuid, rule bigint, rule_ref text, action bigint,
                       action_ref text, config jsonb, condition enforcement_condition_enum, conditions jsonb)
        join event on event.id = $1
       where exists (select from revision_held)
         and not exists (select
                           from enforcement as present
                          where present.event = $1
                            and present.rule = match.rule)
       order by match.rule
    ), enforced as (
      insert into enforcement (id, rule, rule_ref, trigger_ref, action, action_ref, event, config, payload,
                               condition, conditions)
      select id, rule, rule_ref, trigger_ref, action, action_ref, event, config, ${copiedPayload("payload")},
             condition, conditions
        from matched
      on conflict do nothing
      returning id
    ), owed as (
      insert into outbox (message_id, routing_key, enforcement, bytes)
      select matched.message_id, 'enforcement.created', matched.id,
             octet_length(matched.payload::text) + octet_length(matched.config::text)
        from matched
        join enforced using (id)
    )
    select exists (select from revision_held) as is_current`,
  values: ({ eventId, enforcements, revision }) => [
    eventId,
    JSON.stringify(
      enforcements.map(({ messageId, ruleId, ruleRef, actionId, actionRef, ...match }) => ({
        ...match,
        message_id: messageId,
        rule: ruleId,
        rule_ref: ruleRef,
        action: actionId,
        action_ref: actionRef,
      })),
    ),
    revision,
  ],
  decode: (row) => ({ isCurrent: row.boolean("is_current") }),
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
