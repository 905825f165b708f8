/** Reads one YAML file of a pack. Problems name the file, line and field. */
import type { Problem, UnknownKey } from "../config/schema-problems.ts";
import { parseYaml, type Path } from "../config/yaml-source.ts";
import { isJsonObject } from "../model/json/json.ts";
import { acceptFields, type SchemaName } from "./accept-fields.ts";
import type { FieldsOf } from "../model/definition-schemas.ts";
import type { PackProblem, PackWarning } from "./pack-problem.ts";

export interface SourceFile {
  readonly directory: string;
  /** Relative to the directory. */
  readonly file: string;
  readonly text: string;
}

/** The valid fields of a file, or of a request. */
export interface DefinitionFile<Name extends SchemaName> {
  readonly fields: FieldsOf[Name];
  /** Whether it sets the field, under any of its names; otherwise the field has its default. */
  readonly says: (field: string & keyof FieldsOf[Name]) => boolean;
  /** Whether the key at the path has no value, which a request cannot leave out. */
  readonly isBlank: (path: Path) => boolean;
  /** A problem with a field, at that field's place. */
  readonly problemAt: (path: Path, reason: string) => PackProblem;
}

export type FileReport<Name extends SchemaName> =
  | {
      readonly kind: "accepted";
      readonly definition: DefinitionFile<Name>;
      readonly warnings: readonly PackWarning[];
    }
  | { readonly kind: "rejected"; readonly problems: readonly PackProblem[] };

/** Unknown fields that are ignored are one warning. */
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

  const report = acceptFields(name, value);
  const problemAt = (place: Path, reason: string): PackProblem => ({
    directory,
    file,
    line: lineOf(place),
    field: place.length === 0 ? null : place.join("."),
    reason,
  });
  const tell = ({ path, reason }: Problem): PackProblem => problemAt(path, reason);
  if (report.kind === "rejected") return { kind: "rejected", problems: report.problems.map(tell) };
  const { fields, written, unknown } = report;
  return {
    kind: "accepted",
    definition: {
      fields,
      says: (field) => written.has(field),
      isBlank: (path) => isBlank(written.placeOf(path)),
      problemAt: (path, reason) => problemAt(written.placeOf(path), reason),
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
