/**
 * Reads one YAML file of a pack: parses it, translates older field names into current ones, fills in the
 * schema's defaults and validates it. Problems name the file, line and field.
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

/** A valid file. */
export interface DefinitionFile<Name extends SchemaName> {
  readonly fields: FieldsOf[Name];
  /** Whether the file sets the field, under any of its names; otherwise the field has its default. */
  readonly says: (field: string & keyof FieldsOf[Name]) => boolean;
  /** Whether the key at the path has no value. */
  readonly isBlank: (path: Path) => boolean;
  /** A problem with a field, at that field's line. */
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
 * An unknown field is a warning, because packs may contain fields for other programs. If it resembles a known
 * field that is missing, it is a problem: loading the pack would ignore what its author meant.
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
  // Check this before the defaults fill in the misspelt fields.
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

/** One problem for all of them, because files for other programs may have a dozen each. */
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

/** The fields under their current names; `written` has the name that the file uses for each. */
function foldAliases(name: SchemaName, value: JsonObject) {
  const node: SchemaNode = definitionSchemas[name];
  const aliases = fieldAliases[name];
  const written = new Map<string, string>();
  const clashes: Problem[] = [];
  const folded: Record<string, JsonValue> = {};
  for (const [key, given] of Object.entries(value)) {
    const field = Object.hasOwn(aliases, key) ? (aliases[key] ?? key) : key;
    const earlier = written.get(field);
    // A field without a value counts as absent.
    if (given === null) continue;
    if (earlier !== undefined)
      clashes.push({ path: [field], reason: `is also given as ${earlier}; keep one` });
    written.set(field, key);
    const isLoneItem = node.properties?.[field]?.type === "array" && !Array.isArray(given);
    folded[field] = isLoneItem ? [given] : given;
  }
  return { folded, written, clashes };
}
