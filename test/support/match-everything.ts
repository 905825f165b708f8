/**
 * Rules without conditions, read plainly: every enabled rule matches every event of its trigger.
 */
import type { Queryable } from "../../src/database/database.ts";
import type { TriggerDefinition } from "../../src/model/definitions.ts";
import type { RuleMatch, RuleSet, RuleSource } from "../../src/model/rules/rule-match.ts";
import { query } from "./platform-rows.ts";

export async function matchEverything(database: Queryable): Promise<RuleSource> {
  let rules = await readRules(database);
  return {
    current: () => rules,
    async refresh() {
      rules = await readRules(database);
      return rules;
    },
  };
}

async function readRules(database: Queryable): Promise<RuleSet> {
  const [row] = await query<{
    revisions: { trigger_ref: string; value: string }[];
    triggers: { id: number; ref: string; label: string; enabled: boolean }[];
    rules: { id: number; ref: string; trigger_ref: string; action: number | null; action_ref: string }[];
  }>(
    database,
    `select (select coalesce(json_agg(json_build_object('trigger_ref', trigger_ref, 'value', value::text)), '[]')
               from trigger_revision) as revisions,
            (select coalesce(json_agg(trigger), '[]') from trigger) as triggers,
            (select coalesce(json_agg(rule), '[]') from rule where enabled) as rules`,
  );
  if (row === undefined) throw new Error("there is no answer");
  const revisions = new Map(row.revisions.map((each) => [each.trigger_ref, each.value]));
  const triggers = new Map(
    row.triggers.map(({ id, ref, label, enabled }): [string, TriggerDefinition] => [
      ref,
      { id: `${id}`, ref, label, enabled, paramSchema: {}, outSchema: {} },
    ]),
  );
  return {
    revisionOf: (ref) => revisions.get(ref) ?? "0",
    trigger: (ref) => triggers.get(ref),
    match: (event) =>
      row.rules
        .filter((rule) => rule.trigger_ref === event.triggerRef)
        .map((rule): RuleMatch => ({
          ruleId: `${rule.id}`,
          ruleRef: rule.ref,
          actionId: rule.action === null ? null : `${rule.action}`,
          actionRef: rule.action_ref,
          condition: "all",
          conditionsJson: "[]",
          config: {},
        })),
  };
}
