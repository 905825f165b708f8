/**
 * What a request to change a definition makes of its row.
 *
 * The fields that the body names are checked together with the row's other ones, whose problems are not reported: fields that
 * it does not name are left as they are, also if they are not valid.
 */
import type { DefinitionKind, FieldProblem } from "../model/definition-edit.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../model/json/json.ts";
import { currentName } from "./accept-fields.ts";
import { columnsOf, fieldsOf, namedFields, readGiven } from "./given-definition.ts";
import type { Reference } from "./pack.ts";

export interface DefinitionChange {
  /** The named columns and their new values. */
  readonly columns: JsonObject;
  readonly references: readonly Reference[];
  readonly problems: readonly FieldProblem[];
}

/** @param changes the fields that the body names, as authors name them */
export async function changeOf(
  kind: DefinitionKind,
  row: JsonObject,
  changes: JsonObject,
): Promise<DefinitionChange> {
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
export function fixedProblems(
  kind: DefinitionKind,
  row: JsonObject,
  body: JsonObject,
): readonly FieldProblem[] {
  const fixed = new Map<string, JsonValue>([["ref", row["ref"] ?? null]]);
  if (kind !== "pack") fixed.set("pack_ref", row["pack_ref"] ?? null);
  return [...fixed]
    .filter(([field, value]) => Object.hasOwn(body, field) && body[field] !== value)
    .map(([field, value]) => ({ field, reason: `cannot be changed; it is ${JSON.stringify(value)}` }));
}
