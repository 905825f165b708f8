/** What webhooks lead to: rules of `core.webhook`, and triggers with a key. */
import type { Id } from "../../model/identifiers.ts";
import type { JsonValue } from "../../model/json/json.ts";
import type { WebhookKey } from "../../model/webhooks/webhook-key.ts";
import type { Statement } from "../statement.ts";
import { creatorPack } from "./keys.ts";

export interface WebhookEndpointRow {
  readonly kind: "rule" | "trigger";
  readonly id: Id;
  readonly ref: string;
  readonly packRef: string | null;
  /** Of a trigger; null for a rule. */
  readonly key: string | null;
  readonly settings: JsonValue;
}

/**
 * Only what is enabled, as is what it depends on. Both kinds come from one snapshot. A rule is on the trigger that
 * `trigger_ref` names, as everywhere; the column `trigger` may be null or point to another.
 */
export const readWebhookEndpoints: Statement<undefined, WebhookEndpointRow> = {
  name: "read_webhook_endpoints",
  text: `
    select 'rule' as kind, rule.id, rule.ref, rule.pack_ref, null as key, rule.trigger_params as settings
      from rule
      join trigger on trigger.ref = rule.trigger_ref
     where rule.trigger_ref = 'core.webhook'
       and rule.enabled
       and trigger.enabled
       and exists (select from sensor where sensor.ref = 'core.webhooks' and sensor.enabled)
     union all
    select 'trigger', id, ref, pack_ref, webhook_key, webhook_config
      from trigger
     where webhook_enabled
       and webhook_key is not null
       and enabled`,
  values: () => [],
  decode: (row) => ({
    kind: row.word("kind", ["rule", "trigger"]),
    id: row.id("id"),
    ref: row.text("ref"),
    packRef: row.textOrNull("pack_ref"),
    key: row.textOrNull("key"),
    settings: row.json("settings"),
  }),
};

export interface WebhookRuleRow {
  readonly ref: string;
  readonly params: JsonValue;
  readonly isEnabled: boolean;
}

/** All rules on the trigger of webhooks, the oldest first. */
export const readWebhookRules: Statement<undefined, WebhookRuleRow> = {
  name: "read_webhook_rules",
  text: `
    select ref, trigger_params, enabled
      from rule
     where trigger_ref = 'core.webhook'
     order by id`,
  values: () => [],
  decode: (row) => ({
    ref: row.text("ref"),
    params: row.json("trigger_params"),
    isEnabled: row.boolean("enabled"),
  }),
};

/** Those of these refs that name a key. */
export const readWebhookKeys: Statement<readonly string[], WebhookKey> = {
  name: "read_webhook_keys",
  text: `
    select key.ref,
           ${creatorPack} as creator_pack_ref
      from key
     where key.ref = any ($1)`,
  values: (refs) => [refs],
  decode: (row) => ({
    ref: row.text("ref"),
    creatorPackRef: row.textOrNull("creator_pack_ref"),
  }),
};
