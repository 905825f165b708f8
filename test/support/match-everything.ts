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
    revision: string;
    triggers: { id: number; ref: string; label: string; enabled: boolean }[];
    rules: { id: number; ref: string; trigger_ref: string; action: number | null; action_ref: string }[];
  }>(
    database,
    `select value as revision,
            (select coalesce(json_agg(trigger), '[]') from trigger) as triggers,
            (select coalesce(json_agg(rule), '[]') from rule where enabled) as rules
       from rule_revision`,
  );
  if (row === undefined) throw new Error("there is no revision");
  const triggers = new Map(
    row.triggers.map(({ id, ref, label, enabled }): [string, TriggerDefinition] => [
      ref,
      { id: `${id}`, ref, label, enabled, paramSchema: {}, outSchema: {} },
    ]),
  );
  return {
    revision: row.revision,
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
          conditions: [],
          config: {},
        })),
  };
}
