/**
 * Refuses rules whose webhook another enabled rule answers with other settings: which of them answers would depend on their age.
 * To be called under the lock of definitions, before anything is written.
 */
import type { Queryable } from "../database/database.ts";
import { rowsOf } from "../database/statement.ts";
import { readWebhookRules } from "../database/statements/webhook-endpoints.ts";
import { objectOf, type JsonObject } from "../model/json/json.ts";
import { endpointConflicts, type EndpointProblem } from "../model/webhooks/endpoint-table.ts";

export interface SavedRule {
  readonly ref: string;
  /** The columns as they will be. */
  readonly row: JsonObject;
  /** An existing row keeps its `enabled`. */
  readonly keepsEnabled: boolean;
}

/** @param removedRefs rules that are removed at the same time */
export async function webhookConflicts(
  transaction: Queryable,
  saved: readonly SavedRule[],
  removedRefs: readonly string[] = [],
): Promise<readonly EndpointProblem[]> {
  const candidates = saved.filter(({ row }) => row["trigger_ref"] === "core.webhook");
  if (candidates.length === 0) return [];
  const present = await rowsOf(transaction, readWebhookRules, undefined);
  const enabledBefore = new Map(present.map(({ ref, isEnabled }) => [ref, isEnabled]));
  const isEnabled = ({ ref, row, keepsEnabled }: SavedRule): boolean =>
    (keepsEnabled ? enabledBefore.get(ref) : undefined) ?? row["enabled"] !== false;
  const replaced = new Set([...saved.map(({ ref }) => ref), ...removedRefs]);
  return endpointConflicts(
    candidates.filter(isEnabled).map(({ ref, row }) => ({ ref, params: objectOf(row["trigger_params"]) })),
    present
      .filter((rule) => rule.isEnabled && !replaced.has(rule.ref))
      .map(({ ref, params }) => ({ ref, params: objectOf(params) })),
  );
}
