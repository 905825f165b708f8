/**
 * Creates, changes and removes single definitions, for requests. Everything runs in the caller's transaction, under the
 * lock that loading packs takes, so that referenced definitions still exist when it commits.
 */
import { randomBytes } from "node:crypto";
import type { Queryable } from "../database/database.ts";
import { rowOf, rowsOf } from "../database/statement.ts";
import {
  definitionEdits,
  setWebhook as writeWebhook,
  switchDefinition,
  type DefinitionName,
  type LockedDefinition,
} from "../database/statements/definition-edits.ts";
import { readReferrers, readRuntimeRef } from "../database/statements/definition-references.ts";
import { lockPacks, setFurtherTriggers } from "../database/statements/packs.ts";
import type { DefinitionEdit, DefinitionKind, IsExpected } from "../model/definition-edit.ts";
import type { Id } from "../model/identifiers.ts";
import type { JsonObject } from "../model/json/json.ts";
import type { RuleVersion } from "../model/rules/rules-at.ts";
import { webhookConfigProblems } from "../model/webhooks/endpoint-settings.ts";
import { misspeltFields } from "./accept-fields.ts";
import { changeOf, fixedProblems } from "./definition-change.ts";
import { conflictProblems, missingReferences, packProblems, unstorable } from "./definition-problems.ts";
import { fieldsOfBody, readGiven } from "./given-definition.ts";

type Refusal = Exclude<DefinitionEdit<never>, { readonly kind: "done" }>;

export async function createDefinition(
  transaction: Queryable,
  kind: DefinitionKind,
  body: JsonObject,
): Promise<DefinitionEdit<Id>> {
  await rowsOf(transaction, lockPacks, undefined);
  const packRef = kind === "pack" ? null : (body["pack_ref"] ?? null);
  const given = await readGiven(
    kind,
    await withRuntimeRef(transaction, kind, fieldsOfBody(kind, body)),
    typeof packRef === "string" ? packRef : null,
  );
  const problems = [...given.problems, ...(await packProblems(transaction, kind, packRef))];
  if (given.kind === "rejected") return { kind: "invalid", problems };
  problems.push(
    ...(await missingReferences(transaction, given.references)),
    ...unstorable(given.row),
    ...(kind === "rule" ? await conflictProblems(transaction, given.ref, given.row) : []),
  );
  if (problems.length > 0) return { kind: "invalid", problems };

  const { row } = given;
  const inserted = await rowOf(transaction, definitionEdits[kind].insert, { ...row, pack_ref: packRef });
  if (inserted === undefined) return { kind: "taken", ref: given.ref };
  if (kind === "sensor") await rowsOf(transaction, setFurtherTriggers, [row]);
  return { kind: "done", result: inserted.id };
}

/** Columns of a rule that decide which requests it answers. */
const routingColumns = ["trigger_ref", "trigger_params", "enabled"];

/** Changes the fields that the body names. Fields that it does not name are left as they are, also if they are not valid. */
export async function changeDefinition(
  transaction: Queryable,
  kind: DefinitionKind,
  name: DefinitionName,
  isExpected: IsExpected,
  body: JsonObject,
): Promise<DefinitionEdit<Id>> {
  const locked = await lock(transaction, kind, name, isExpected);
  if (isRefusal(locked)) return locked;
  const changes = await withRuntimeRef(transaction, kind, fieldsOfBody(kind, body));
  const { id, row } = locked;
  const change = await changeOf(kind, row, changes);
  const problems = [
    ...fixedProblems(kind, row, body),
    ...misspeltFields(kind, changes).map(({ path, reason }) => ({ field: path.join("."), reason })),
    ...change.problems,
    ...(await missingReferences(transaction, change.references)),
    ...unstorable(change.columns),
  ];
  const changed = { ...row, ...change.columns };
  const isRouted = routingColumns.some((column) => Object.hasOwn(change.columns, column));
  if (kind === "rule" && isRouted) {
    problems.push(...(await conflictProblems(transaction, locked.ref, changed)));
  }
  if (problems.length > 0) return { kind: "invalid", problems };

  await rowsOf(transaction, definitionEdits[kind].update, { id, row: changed });
  if (kind === "sensor") await rowsOf(transaction, setFurtherTriggers, [changed]);
  return { kind: "done", result: id };
}

/**
 * Makes a rule what a version of it was, through the same checks as any other change. A version of a rule that was deleted
 * and made again under its ref is what the new one becomes, since both have one history. A rule that is only deleted is made
 * again, under a new id; a version of a deleted rule is refused.
 */
export async function revertRule(
  transaction: Queryable,
  { ruleId, ruleRef, definition }: RuleVersion,
): Promise<DefinitionEdit<Id>> {
  if (definition === null)
    return { kind: "refused", reason: "In this version the rule is deleted; name an earlier one." };
  const { action: _action, ...body } = definition;
  const change = (name: DefinitionName): Promise<DefinitionEdit<Id>> =>
    changeDefinition(transaction, "rule", name, () => true, body);
  const changed = await change({ ref: "", id: ruleId });
  if (changed.kind !== "missing") return changed;
  const changedNew = await change({ ref: ruleRef, id: null });
  return changedNew.kind === "missing" ? createDefinition(transaction, "rule", body) : changedNew;
}

export async function removeDefinition(
  transaction: Queryable,
  kind: DefinitionKind,
  name: DefinitionName,
  isExpected: IsExpected,
): Promise<DefinitionEdit<{ readonly id: Id; readonly ref: string }>> {
  const locked = await lock(transaction, kind, name, isExpected);
  if (isRefusal(locked)) return locked;
  const statement = readReferrers[kind];
  const referrers = statement === undefined ? [] : await rowsOf(transaction, statement, locked);
  const { id, ref } = locked;
  if (referrers.length > 0) return { kind: "in-use", ref, referrers };
  await rowsOf(transaction, definitionEdits[kind].remove, id);
  return { kind: "done", result: { id, ref } };
}

export type SwitchedKind = keyof typeof switchDefinition;

/** Enables or disables it, also if it is not valid; but not a webhook that another rule answers. */
export async function switchTo(
  isEnabled: boolean,
  transaction: Queryable,
  kind: SwitchedKind,
  name: DefinitionName,
  isExpected: IsExpected,
): Promise<DefinitionEdit<Id>> {
  const locked = await lock(transaction, kind, name, isExpected);
  if (isRefusal(locked)) return locked;
  if (kind === "rule" && isEnabled) {
    const row = { ...locked.row, enabled: true };
    const [conflict] = await conflictProblems(transaction, locked.ref, row);
    if (conflict !== undefined)
      return { kind: "refused", reason: `The rule ${locked.ref} stays disabled: ${conflict.reason}.` };
  }
  await rowsOf(transaction, switchDefinition[kind], { id: locked.id, isEnabled });
  return { kind: "done", result: locked.id };
}

export type WebhookChange = "enable" | "disable" | "regenerate";

/**
 * The key lasts while webhooks are disabled, so that callers need no new one afterwards.
 *
 * @param config the new `webhook_config`; null: as it is
 */
export async function changeWebhook(
  transaction: Queryable,
  name: DefinitionName,
  isExpected: IsExpected,
  change: WebhookChange,
  config: JsonObject | null,
): Promise<DefinitionEdit<Id>> {
  const problems = [
    ...webhookConfigProblems(config ?? {}).map(({ place, reason }) => ({
      field: ["config", ...place].join("."),
      reason,
    })),
    ...unstorable({ config }),
  ];
  if (problems.length > 0) return { kind: "invalid", problems };

  const locked = await lock(transaction, "trigger", name, isExpected);
  if (isRefusal(locked)) return locked;
  const { id, ref, row } = locked;
  const present = row["webhook_key"];
  const key = typeof present === "string" ? present : null;
  if (change === "regenerate" && row["webhook_enabled"] !== true) {
    return { kind: "refused", reason: `Webhooks of the trigger ${ref} are disabled.` };
  }
  await rowsOf(transaction, writeWebhook, {
    id,
    isEnabled: change !== "disable",
    key: change === "regenerate" ? newWebhookKey() : change === "enable" ? (key ?? newWebhookKey()) : key,
    config,
  });
  return { kind: "done", result: id };
}

function newWebhookKey(): string {
  return `wh_${randomBytes(32).toString("base64url")}`;
}

async function lock(
  transaction: Queryable,
  kind: DefinitionKind,
  name: DefinitionName,
  isExpected: IsExpected,
): Promise<LockedDefinition | Refusal> {
  await rowsOf(transaction, lockPacks, undefined);
  const locked = await rowOf(transaction, definitionEdits[kind].lock, name);
  if (locked === undefined) return { kind: "missing" };
  return isExpected(locked.version) ? locked : { kind: "outdated" };
}

function isRefusal(locked: LockedDefinition | Refusal): locked is Refusal {
  return "kind" in locked;
}

/** Some clients name an action's runtime by its id. */
async function withRuntimeRef(
  transaction: Queryable,
  kind: DefinitionKind,
  fields: JsonObject,
): Promise<JsonObject> {
  const { runtime } = fields;
  if (kind !== "action" || typeof runtime !== "number" || !Number.isSafeInteger(runtime)) return fields;
  const found = await rowOf(transaction, readRuntimeRef, String(runtime));
  return found === undefined ? fields : { ...fields, runtime: found.ref };
}
