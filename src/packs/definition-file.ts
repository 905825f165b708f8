/**
 * One YAML file of a pack: parsed, older field names folded into today's, completed from the schema's
 * defaults and checked by it. What is wrong is told by file, line and field.
 */
import { Value } from "typebox/value";
import { withPlainNumbers } from "../config/plain-numbers.ts";
import { schemaProblems, unknownKeys, type Problem, type UnknownKey } from "../config/schema-problems.ts";
import { parseYaml, type Path } from "../config/yaml-source.ts";
import type { SchemaNode } from "../config/schema-node.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../model/json/json.ts";
import { definitionSchemas, fieldAliases, type FieldsOf } from "./definition-schemas.ts";
import type { PackProblem, PackWarning } from "./pack-problem.ts";

export type SchemaName = keyof FieldsOf;

export interface SourceFile {
  readonly directory: string;
  /** Relative to the directory. */
  readonly file: string;
  readonly text: string;
}

/** A file that its schema accepts. */
export interface DefinitionFile<Name extends SchemaName> {
  readonly fields: FieldsOf[Name];
  /** Whether the file says it, under whichever name; else the field has its default. */
  readonly says: (field: string & keyof FieldsOf[Name]) => boolean;
  /** Whether nothing is written where the value at that path belongs. */
  readonly isBlank: (path: Path) => boolean;
  /** A problem with one of its fields, at the line where that field stands. */
  readonly problemAt: (path: Path, reason: string) => PackProblem;
}

export type FileReport<Name extends SchemaName> =
  | {
      readonly kind: "accepted";
      readonly definition: DefinitionFile<Name>;
      readonly warnings: readonly PackWarning[];
    }
  | { readonly kind: "rejected"; readonly problems: readonly PackProblem[] };

/**
 * A field that no one knows is a warning, since packs carry fields for other programs too; unless it
 * resembles a known field that is missing: then it is a misspelling, and loading it would ignore what its
 * author meant.
 */
export function readDefinition<Name extends SchemaName>(name: Name, source: SourceFile): FileReport<Name> {
  const { directory, file, text } = source;
  const parsed = parseYaml(text);
  if (parsed.kind === "broken") {
    return {
      kind: "rejected",
      problems: parsed.problems.map(({ line, path, reason }) => ({
        directory,
        file,
        line,
        field: path.length === 0 ? null : path.join("."),
        reason,
      })),
    };
  }
  const { value, lineOf, isBlank } = parsed.source;
  if (!isJsonObject(value)) {
    return {
      kind: "rejected",
      problems: [{ directory, file, line: 1, field: null, reason: "must be a mapping" }],
    };
  }

  const { folded, written, clashes } = foldAliases(name, value);
  const placeOf = ([field, ...rest]: Path): Path =>
    field === undefined ? [] : [written.get(String(field)) ?? field, ...rest];
  const problemAt = (path: Path, reason: string): PackProblem => {
    const place = placeOf(path);
    return {
      directory,
      file,
      line: lineOf(place),
      field: place.length === 0 ? null : place.join("."),
      reason,
    };
  };
  const tell = ({ path, reason }: Problem): PackProblem => problemAt(path, reason);

  const schema = definitionSchemas[name];
  const unknown = unknownKeys(schema, folded);
  // Looked for before the defaults fill in what was misspelt.
  const misspelt = unknown.filter(({ nearest }) => nearest !== undefined && !Object.hasOwn(folded, nearest));
  const completed: unknown = Value.Default(schema, withPlainNumbers(schema, folded));
  const problems = [...clashes, ...misspelt, ...schemaProblems(schema, completed)];
  if (problems.length > 0 || !isAccepted(name, completed))
    return { kind: "rejected", problems: problems.map(tell) };
  return {
    kind: "accepted",
    definition: {
      fields: completed,
      says: (field) => written.has(field),
      isBlank: (path) => isBlank(placeOf(path)),
      problemAt,
    },
    warnings: ignoredKeys(unknown).map((problem) => ({
      ...tell(problem),
      field: null,
      kind: "keys-ignored",
    })),
  };
}

/** One problem for them all, since the files of other programs have a dozen each. */
function ignoredKeys(unknown: readonly UnknownKey[]): readonly Problem[] {
  const [first] = unknown;
  if (first === undefined) return [];
  const keys = unknown.map(({ path, nearest }) => {
    const hint = nearest === undefined ? "" : ` (did you mean ${nearest}?)`;
    return `${path.join(".")}${hint}`;
  });
  return [{ path: first.path, reason: `has keys that are ignored: ${keys.join(", ")}` }];
}

function isAccepted<Name extends SchemaName>(name: Name, value: unknown): value is FieldsOf[Name] {
  return Value.Check(definitionSchemas[name], value);
}

/** The fields under today's names; `written` tells under which name each stands in the file. */
function foldAliases(name: SchemaName, value: JsonObject) {
  const node: SchemaNode = definitionSchemas[name];
  const aliases = fieldAliases[name];
  const written = new Map<string, string>();
  const clashes: Problem[] = [];
  const folded: Record<string, JsonValue> = {};
  for (const [key, given] of Object.entries(value)) {
    const field = Object.hasOwn(aliases, key) ? (aliases[key] ?? key) : key;
    const earlier = written.get(field);
    // A field without a value says as little as its absence.
    if (given === null) continue;
    if (earlier !== undefined)
      clashes.push({ path: [field], reason: `is also given as ${earlier}; keep one` });
    written.set(field, key);
    const isLoneItem = node.properties?.[field]?.type === "array" && !Array.isArray(given);
    folded[field] = isLoneItem ? [given] : given;
  }
  return { folded, written, clashes };
}
