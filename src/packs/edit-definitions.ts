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
import {
  findDefinitions,
  readReferrers,
  readRuntimeRef,
} from "../database/statements/definition-references.ts";
import { lockPacks, readDefinitionRefs, setFurtherTriggers } from "../database/statements/packs.ts";
import type { DefinitionEdit, DefinitionKind, FieldProblem, IsExpected } from "../model/definition-edit.ts";
import type { Id } from "../model/identifiers.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../model/json/json.ts";
import type { RuleVersion } from "../model/rules/rules-at.ts";
import { storableText } from "../model/json/storable-text.ts";
import { webhookConfigProblems } from "../model/webhooks/endpoint-settings.ts";
import { currentName, misspeltFields } from "./accept-fields.ts";
import { columnsOf, fieldsOf, fieldsOfBody, namedFields, readGiven } from "./given-definition.ts";
import type { Reference } from "./pack.ts";
import { unresolvedReferences } from "./references.ts";
import { webhookConflicts } from "./webhook-conflicts.ts";

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
  const change = await changedRow(kind, locked, changes);
  const problems = [
    ...fixedProblems(kind, locked, body),
    ...misspeltFields(kind, changes).map(({ path, reason }) => ({ field: path.join("."), reason })),
    ...change.problems,
    ...(await missingReferences(transaction, change.references)),
    ...unstorable(change.columns),
  ];
  const { id, row } = locked;
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

/** Columns of a rule that decide which requests it answers. */
const routingColumns = ["trigger_ref", "trigger_params", "enabled"];

async function conflictProblems(
  transaction: Queryable,
  ref: string,
  row: JsonObject,
): Promise<readonly FieldProblem[]> {
  const conflicts = await webhookConflicts(transaction, [{ ref, row, keepsEnabled: false }]);
  return conflicts.map(({ problem }) => ({ field: "trigger_params.path", reason: problem }));
}

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

interface Change {
  /** The named columns and their new values. */
  readonly columns: JsonObject;
  readonly references: readonly Reference[];
  readonly problems: readonly FieldProblem[];
}

/** The named fields are checked together with the row's other ones, whose problems are not reported. */
async function changedRow(
  kind: DefinitionKind,
  { row }: LockedDefinition,
  changes: JsonObject,
): Promise<Change> {
  const named = namedFields(kind, changes);
  const isNamed = ({ field }: FieldProblem): boolean =>
    field === null ||
    named.has(currentName(kind, field.split(".")[0] ?? "")) ||
    // Another trigger may not accept the params.
    (named.has("trigger") && field.startsWith("trigger_params."));
  const others = Object.entries(fieldsOf(kind, row)).filter(([field]) => !named.has(field));
  const nulls = Object.entries(changes).filter(([, value]) => value === null);
  const emptied = nulls
    .filter(([field]) => !nullable.has(currentName(kind, field)))
    .map(([field]): FieldProblem => ({ field, reason: "must not be null" }));

  const packRef = typeof row["pack_ref"] === "string" ? row["pack_ref"] : null;
  let given = await readGiven(kind, { ...Object.fromEntries(others), ...changes }, packRef);
  if (given.kind === "rejected" && !given.problems.some(isNamed)) {
    // Plain SQL can write what the schema refuses. It stays as it is, and the change is checked without it.
    const refused = new Set(given.problems.map(({ field }) => field?.split(".")[0]));
    const accepted = others.filter(([field]) => !refused.has(field));
    given = await readGiven(kind, { ...Object.fromEntries(accepted), ...changes }, packRef);
  }
  const problems = [...emptied, ...given.problems.filter(isNamed)];
  if (given.kind === "rejected") {
    return { columns: {}, references: [], problems: problems.length > 0 ? problems : given.problems };
  }
  const { row: completed, references } = given;
  const columns = [...named]
    .flatMap((field) => columnsOf(kind, field))
    .filter((column) => Object.hasOwn(completed, column))
    .map((column): [string, JsonValue] => [column, completed[column] ?? null]);
  return {
    columns: withLastLoad(kind, row, Object.fromEntries(columns)),
    references: references.filter(({ ifMissing }) => isNamed(ifMissing)),
    problems,
  };
}

/** Fields whose columns may be null. */
const nullable = new Set([
  "description",
  "conditions",
  "installation",
  "poll_interval",
  "timeout",
  "runtime_version_constraint",
]);

/** The record of the last load is not the author's to change. */
function withLastLoad(kind: DefinitionKind, row: JsonObject, columns: JsonObject): JsonObject {
  const { meta } = columns;
  if (kind !== "pack" || !isJsonObject(meta) || !isJsonObject(row["meta"])) return columns;
  const { definitions } = row["meta"];
  return definitions === undefined ? columns : { ...columns, meta: { ...meta, definitions } };
}

/** Ref and pack are what others know it by. */
function fixedProblems(
  kind: DefinitionKind,
  { ref, row }: LockedDefinition,
  body: JsonObject,
): FieldProblem[] {
  const fixed = new Map<string, JsonValue>([["ref", ref]]);
  if (kind !== "pack") fixed.set("pack_ref", row["pack_ref"] ?? null);
  return [...fixed]
    .filter(([field, value]) => Object.hasOwn(body, field) && body[field] !== value)
    .map(([field, value]) => ({ field, reason: `cannot be changed; it is ${JSON.stringify(value)}` }));
}

async function packProblems(
  transaction: Queryable,
  kind: DefinitionKind,
  packRef: JsonValue,
): Promise<readonly FieldProblem[]> {
  const field = "pack_ref";
  if (packRef === null)
    return kind === "sensor" ? [{ field, reason: "is required: its script is in the pack's folder" }] : [];
  if (typeof packRef !== "string") return [{ field, reason: "must be text" }];
  if (unstorable({ [field]: packRef }).length > 0) return unstorable({ [field]: packRef });
  const found = await rowsOf(transaction, findDefinitions, { ...nothing, packs: [packRef] });
  return found.length > 0 ? [] : [{ field, reason: `names the pack ${packRef}, which does not exist` }];
}

const nothing = { packs: [], runtimes: [], triggers: [], actions: [] };

/** Problems of references to what does not exist. */
async function missingReferences(
  transaction: Queryable,
  references: readonly Reference[],
): Promise<readonly FieldProblem[]> {
  // Others cannot be stored, so nothing has such a ref.
  const refs = references.filter(({ ref }) => unstorable({ ref }).length === 0);
  const ofKind = (kind: Reference["kind"]): readonly string[] =>
    refs.filter((each) => each.kind === kind).map(({ ref }) => ref);
  const found = await rowsOf(transaction, findDefinitions, {
    packs: [],
    runtimes: ofKind("runtime"),
    triggers: ofKind("trigger"),
    actions: ofKind("action"),
  });
  const isFound = ({ kind, ref }: Reference): boolean =>
    found.some((each) => each.kind === kind && each.ref === ref);
  const missing = references.filter((reference) => !isFound(reference));
  if (missing.length === 0) return [];
  // All refs are read only to name the one that was probably meant.
  const existing = await rowsOf(transaction, readDefinitionRefs, undefined);
  return unresolvedReferences([{ references: missing }], existing).map(({ problem }) => problem);
}

function unstorable(columns: JsonObject): readonly FieldProblem[] {
  return Object.entries(columns).flatMap(([field, value]) => {
    const text = storableText([value]);
    return text.kind === "text" ? [] : [{ field, reason: `cannot be stored: ${text.reason}` }];
  });
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
