/**
 * Checks whether the schema to migrate is free, the agent's own, or another program's.
 *
 * Many of the platform's names (`event`, `rule`, `worker` …) are common, and the migrations skip existing objects. On
 * another program's tables they would fail halfway. So before the first migration, every existing object with one of our
 * names must look as our migrations create it. Tables with other names do not matter.
 *
 * A schema without a record of migrations may still be ours: `psql < file` keeps none, and databases from before workers
 * had roles can be upgraded. Its tables have all our columns.
 */
import { OperatorError } from "../../errors/operator-error.ts";
import type { Database } from "../database.ts";
import { ownEnums, ownFunctions, ownTables, ownViews } from "./own-objects.ts";
import { rowsOf } from "../statement.ts";
import { readSchemaContent, type SchemaObject } from "../statements/schema-content.ts";

/** Where sqlx, and therefore the platform's Rust services, records its migrations. */
const sqlxRecord = "_sqlx_migrations";

/** How many are listed; the first few suffice. */
const signsMax = 3;

/** Existing objects that conflict with the migrations. */
export type SchemaState = "free" | "own";

/**
 * Changes nothing.
 *
 * @throws OperatorError DATABASE_FOREIGN if the schema has another program's objects with our names
 */
export async function demandOwnSchema(database: Database): Promise<SchemaState> {
  const { schema, address } = database;
  const content = await rowsOf(database, readSchemaContent, {
    schema,
    relations: [...Object.keys(ownTables), ...ownViews, sqlxRecord],
    enums: Object.keys(ownEnums),
    functions: ownFunctions,
  });
  const signs = foreignSigns(content);
  if (signs.length === 0) return hasOwnTable(content) ? "own" : "free";

  const others = signs.length - signsMax;
  const listed = [...signs.slice(0, signsMax), ...(others > 0 ? [`and ${others} more`] : [])];
  throw new OperatorError({
    code: "DATABASE_FOREIGN",
    attempt: `use the schema ${schema} of the database at ${address}`,
    reason: `it contains another program's tables (${listed.join("; ")}), and nothing was changed`,
    remedy:
      "set database.schema to a schema of the agent's own, such as attune_sensors, which the agent creates; " +
      "see docs/database.md#beside-another-system",
  });
}

/** Why the schema cannot be ours; empty if it can. */
function foreignSigns(content: readonly SchemaObject[]): readonly string[] {
  // Only our migrations create this table in this form, and only the agent records migrations in it.
  const isRecorded = ["schema_migration", "installation"].every((name) =>
    content.some((found) => found.name === name && differences(found).length === 0),
  );
  if (isRecorded) return [];

  const isSqlx = content.some(({ name }) => name === sqlxRecord);
  const shapes = content.filter(({ name }) => name !== sqlxRecord).flatMap(differences);
  const unaccompanied = hasOwnTable(content) ? [] : content.filter(isNothingWithoutTables);
  return [
    // With tables of other names it does not matter.
    ...(isSqlx && hasOwnTable(content) ? [`${sqlxRecord} records another program's migrations`] : []),
    ...shapes,
    ...unaccompanied.map(({ kind, name }) => `the ${kind} ${name} exists without its tables`),
  ];
}

function hasOwnTable(content: readonly SchemaObject[]): boolean {
  return content.some(({ kind, name }) => kind === "table" && name in ownTables);
}

/** The migrations would replace it after creating their tables. */
function isNothingWithoutTables({ kind, name }: SchemaObject): boolean {
  return kind === "function" || (kind === "view" && ownViews.includes(name));
}

function differences({ kind, name, parts }: SchemaObject): readonly string[] {
  if (kind === "function") return [];
  if (kind === "enum") {
    const lacking = (ownEnums[name] ?? []).filter((label) => !parts.includes(label));
    return lacking.length === 0 ? [] : [`the type ${name} lacks ${lacking.join(", ")}`];
  }
  const columns = ownTables[name];
  const expected = columns === undefined ? "view" : "table";
  if (kind !== expected) return [`${name} is no ${expected}`];
  if (columns === undefined) return [];

  const found = new Map(parts.map(columnOf));
  const wanted = columns.split(", ").map(columnOf);
  const lacking = wanted.filter(([column]) => !found.has(column)).map(([column]) => column);
  const others = wanted.filter(([column, type]) => (found.get(column) ?? type) !== type);
  return [
    ...(lacking.length === 0 ? [] : [`the table ${name} has no ${lacking.join(", ")}`]),
    ...others.map(([column, type]) => `${name}.${column} is ${found.get(column)}, not ${type}`),
  ];
}

function columnOf(part: string): readonly [name: string, type: string] {
  const space = part.lastIndexOf(" ");
  return [part.slice(0, space), part.slice(space + 1)];
}
