/** Problems of a definition that only the other definitions in the database reveal, and values that no database holds. */
import type { Queryable } from "../database/database.ts";
import { rowsOf } from "../database/statement.ts";
import { findDefinitions } from "../database/statements/definition-references.ts";
import { readDefinitionRefs } from "../database/statements/packs.ts";
import type { DefinitionKind, FieldProblem } from "../model/definition-edit.ts";
import type { JsonObject, JsonValue } from "../model/json/json.ts";
import { storableText } from "../model/json/storable-text.ts";
import type { Reference } from "./pack.ts";
import { unresolvedReferences } from "./references.ts";
import { webhookConflicts } from "./webhook-conflicts.ts";

/** Problems of a rule whose webhook another enabled rule answers with other settings. */
export async function conflictProblems(
  transaction: Queryable,
  ref: string,
  row: JsonObject,
): Promise<readonly FieldProblem[]> {
  const conflicts = await webhookConflicts(transaction, [{ ref, row, keepsEnabled: false }]);
  return conflicts.map(({ problem }) => ({ field: "trigger_params.path", reason: problem }));
}

export async function packProblems(
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
export async function missingReferences(
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

/** Values with characters that the database cannot hold. */
export function unstorable(columns: JsonObject): readonly FieldProblem[] {
  return Object.entries(columns).flatMap(([field, value]) => {
    const text = storableText([value]);
    return text.kind === "text" ? [] : [{ field, reason: `cannot be stored: ${text.reason}` }];
  });
}
