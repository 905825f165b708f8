/**
 * Accepts the fields of a definition, from a file or from a request: translates older field names into current
 * ones, fills in the schema's defaults, and validates. Problems name the fields as they were written.
 */
import { Value } from "typebox/value";
import { withPlainNumbers } from "../config/plain-numbers.ts";
import type { SchemaNode } from "../config/schema-node.ts";
import { schemaProblems, unknownKeys, type Problem, type UnknownKey } from "../config/schema-problems.ts";
import type { Path } from "../config/yaml-source.ts";
import type { JsonObject, JsonValue } from "../model/json/json.ts";
import { definitionSchemas, fieldAliases, type FieldsOf } from "../model/definition-schemas.ts";

export type SchemaName = keyof FieldsOf;

/** How the author names each field that is given. */
export interface WrittenNames {
  readonly has: (field: string) => boolean;
  /** The path as written: `runner_type` for `runtime`. */
  readonly placeOf: (path: Path) => Path;
}

export type FieldsReport<Name extends SchemaName> =
  | {
      readonly kind: "accepted";
      readonly fields: FieldsOf[Name];
      readonly written: WrittenNames;
      /** They are ignored. */
      readonly unknown: readonly UnknownKey[];
    }
  | { readonly kind: "rejected"; readonly problems: readonly Problem[] };

/**
 * An unknown field is ignored, because there may be fields for other programs. If it resembles a known field that
 * is missing, it is a problem: what its author meant would be lost.
 */
export function acceptFields<Name extends SchemaName>(name: Name, value: JsonObject): FieldsReport<Name> {
  const { folded, written, clashes } = foldAliases(name, value);
  const schema = definitionSchemas[name];
  const unknown = unknownKeys(schema, folded);
  // Check this before the defaults fill in the misspelt fields.
  const misspelt = unknown.filter(({ nearest }) => nearest !== undefined && !Object.hasOwn(folded, nearest));
  const completed: unknown = Value.Default(schema, withPlainNumbers(schema, folded));
  const problems = [...clashes, ...misspelt, ...schemaProblems(schema, completed)];
  if (problems.length > 0 || !isAccepted(name, completed)) {
    const placed = problems.map(({ path, reason }) => ({ path: written.placeOf(path), reason }));
    return { kind: "rejected", problems: placed };
  }
  return { kind: "accepted", fields: completed, written, unknown };
}

/** Fields of a change that resemble known ones which it does not name: what its author meant would be lost. */
export function misspeltFields(name: SchemaName, changes: JsonObject): readonly Problem[] {
  const { folded } = foldAliases(name, changes);
  return unknownKeys(definitionSchemas[name], folded).filter(
    ({ path, nearest }) => path.length === 1 && nearest !== undefined && !Object.hasOwn(folded, nearest),
  );
}

function isAccepted<Name extends SchemaName>(name: Name, value: unknown): value is FieldsOf[Name] {
  return Value.Check(definitionSchemas[name], value);
}

/** The current name of a field. */
export function currentName(name: SchemaName, key: string): string {
  const aliases = fieldAliases[name];
  return Object.hasOwn(aliases, key) ? (aliases[key] ?? key) : key;
}

/** The fields under their current names. */
function foldAliases(name: SchemaName, value: JsonObject) {
  const node: SchemaNode = definitionSchemas[name];
  const names = new Map<string, string>();
  const clashes: Problem[] = [];
  const folded = new Map<string, JsonValue>();
  for (const [key, given] of Object.entries(value)) {
    const field = currentName(name, key);
    const earlier = names.get(field);
    // A field without a value counts as absent.
    if (given === null) continue;
    if (earlier !== undefined)
      clashes.push({ path: [field], reason: `is also given as ${earlier}; keep one` });
    names.set(field, key);
    const isLoneItem = node.properties?.[field]?.type === "array" && !Array.isArray(given);
    folded.set(field, isLoneItem ? [given] : given);
  }
  const written: WrittenNames = {
    has: (field) => names.has(field),
    placeOf: ([field, ...rest]) => (field === undefined ? [] : [names.get(String(field)) ?? field, ...rest]),
  };
  return { folded: Object.fromEntries(folded), written, clashes };
}
