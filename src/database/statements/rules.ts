/** Rules and triggers, and what has changed of them since a revision. */
import assert from "node:assert/strict";
import type { TriggerDefinition } from "../../model/definitions.ts";
import type { Id } from "../../model/identifiers.ts";
import { isJsonObject, type JsonValue } from "../../model/json/json.ts";
import { parseJson } from "../../model/json/json-text.ts";
import type { RuleText } from "../../model/rules/compiled-rule.ts";
import type { Row, Statement } from "../statement.ts";

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
      /** False if the changes since the known revision are not remembered; the other rows are missing then. */
      readonly isKnown: boolean;
      /** False if the changes are too many for one statement; the other rows are missing then, too. */
      readonly isComplete: boolean;
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

/** SQL for whether the changes since the revision `$1` are all remembered. */
const isKnownSince = `(value = $1
              or known_from = $1
              or (known_from < $1 and exists (select from rule_commit where revision = $1)))`;

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
      select value, ${isKnownSince} as is_known
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
    select 'revision' as kind, value as id, null as ref, null as definition, is_known,
           (select is_complete from bounded) as is_complete
      from newest
     union all
    select 'trigger', coalesce(revision.value, 0), changed.trigger_ref, described.definition, null, null
      from (select distinct trigger_ref from change) as changed
      left join lateral (select value from trigger_revision
                          where trigger_revision.trigger_ref = changed.trigger_ref offset 0) as revision on true
      left join lateral (select ${triggerText} as definition from trigger
                          where trigger.ref = changed.trigger_ref offset 0) as described on true
     where (select is_complete from bounded)
     union all
    select 'rule', changed_rule.id, null, written.definition, null, null
      from changed_rule
      left join lateral (select ${ruleText} as definition from rule
                          where rule.id = changed_rule.id
                            and rule.enabled offset 0) as written on true
     where (select is_complete from bounded)`,
  values: ({ since, rulesMax }) => [since, rulesMax],
  decode: (row) => {
    const kind = row.word("kind", ["revision", "trigger", "rule"]);
    if (kind === "revision")
      return {
        kind,
        revision: row.id("id"),
        isKnown: row.boolean("is_known"),
        isComplete: row.boolean("is_complete"),
      };
    return kind === "trigger" ? decodeTriggerRow(row) : decodeRuleRow(row);
  },
};

export type ChangedRulePageRow = { readonly kind: "revision"; readonly isKnown: boolean } | RuleRow;

/** The rules with the next ids that have changed since a revision, in order of id; none if the changes are not remembered. */
export const readChangedRulePage: Statement<
  { readonly since: Id; readonly after: Id; readonly rulesMax: number },
  ChangedRulePageRow
> = {
  name: "read_changed_rule_page",
  text: `
    with newest as materialized (
      select ${isKnownSince} as is_known
        from rule_revision
    ), changed_rule as materialized (
      select distinct change.id
        from (select xid
                from rule_commit
               where revision > $1
                 and (select is_known from newest)) as since
       cross join lateral (select id
                             from rule_change
                            where rule_change.xid = since.xid
                              and kind = 'rule'
                              and id > $2 offset 0) as change
       order by change.id
       limit $3
    )
    select 'revision' as kind, null::bigint as id, null as definition, is_known
      from newest
     union all
    select 'rule', changed_rule.id, written.definition, null
      from changed_rule
      left join lateral (select ${ruleText} as definition from rule
                          where rule.id = changed_rule.id
                            and rule.enabled offset 0) as written on true
     order by kind, id`,
  values: ({ since, after, rulesMax }) => [since, after, rulesMax],
  decode: (row) => {
    const kind = row.word("kind", ["revision", "rule"]);
    return kind === "revision" ? { kind, isKnown: row.boolean("is_known") } : decodeRuleRow(row);
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
