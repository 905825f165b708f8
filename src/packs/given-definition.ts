/**
 * Definitions given as JSON, in requests: they pass the same checks as those in the files of packs. Refs are
 * written in full, and scripts are on the workers, so they are not looked for.
 */
import type { FieldProblem } from "../model/definition-edit.ts";
import type { JsonObject, JsonValue } from "../model/json/json.ts";
import type { Place } from "../model/placed-problem.ts";
import { acceptFields, currentName, type SchemaName, type WrittenNames } from "./accept-fields.ts";
import { columns, completeDefinition, type DefinitionContext } from "./definition.ts";
import type { DefinitionFile } from "./definition-file.ts";
import { definitionSchemas, type Kind } from "../model/definition-schemas.ts";
import { fullNaming } from "./names.ts";
import type { Definition, Reference } from "./pack.ts";
import type { PackProblem } from "./pack-problem.ts";

export type GivenDefinition =
  | {
      readonly kind: "accepted";
      readonly ref: string;
      /** The columns of its row, and for a sensor `further_triggers`. */
      readonly row: JsonObject;
      readonly references: readonly Reference[];
      /** What the schema cannot check. */
      readonly problems: readonly FieldProblem[];
    }
  | { readonly kind: "rejected"; readonly problems: readonly FieldProblem[] };

export async function readGiven(
  kind: SchemaName,
  fields: JsonObject,
  packRef: string | null,
): Promise<GivenDefinition> {
  if (kind === "pack") {
    const report = acceptFields(kind, fields);
    if (report.kind === "rejected")
      return {
        kind: "rejected",
        problems: report.problems.map(({ path, reason }) => problemAt(path, reason)),
      };
    const row = columns({ label: report.fields.ref, description: null, ...report.fields });
    return { kind: "accepted", ref: report.fields.ref, row, references: [], problems: [] };
  }
  return readPart(kind, fields, { directory: null, packRef, naming: fullNaming });
}

async function readPart(
  kind: Kind,
  fields: JsonObject,
  context: DefinitionContext,
): Promise<GivenDefinition> {
  const report = await readGivenPart(kind, fields, context, []);
  if (report.definition === undefined) return { kind: "rejected", problems: report.problems };
  const { ref, row, references } = report.definition;
  return { kind: "accepted", ref, row, references, problems: report.problems };
}

/** @param place of the fields in the request */
export async function readGivenPart(
  kind: Kind,
  fields: JsonObject,
  context: DefinitionContext,
  place: Place,
): Promise<{ readonly definition?: Definition; readonly problems: readonly FieldProblem[] }> {
  const report = acceptFields(kind, fields);
  if (report.kind === "accepted") return completeDefinition(kind, asFile(report, place), context);
  const problems = report.problems.map(({ path, reason }) => problemAt([...place, ...path], reason));
  return { problems };
}

function asFile<Name extends Kind>(
  { fields, written }: { readonly fields: DefinitionFile<Name>["fields"]; readonly written: WrittenNames },
  place: Place,
): DefinitionFile<Name> {
  return {
    fields,
    says: (field) => written.has(field),
    isBlank: () => false,
    problemAt: (path, reason) => problemAt([...place, ...written.placeOf(path)], reason),
  };
}

function problemAt(place: Place, reason: string): PackProblem {
  return {
    directory: "",
    file: null,
    line: 1,
    field: place.length === 0 ? null : place.join("."),
    reason,
  };
}

/** Columns with another name than their field. */
const columnsOfField: Readonly<Partial<Record<SchemaName, Readonly<Record<string, readonly string[]>>>>> = {
  action: { runtime: ["runtime_ref"] },
  sensor: { runtime: ["runtime_ref"], triggers: ["trigger_ref", "further_triggers"] },
  rule: { trigger: ["trigger_ref"], action: ["action_ref"] },
};

/** The columns that a field is written to. */
export function columnsOf(kind: SchemaName, field: string): readonly string[] {
  return columnsOfField[kind]?.[field] ?? [field];
}

/** The fields of a row as an author would give them; those without a value are left out. */
export function fieldsOf(kind: SchemaName, row: JsonObject): JsonObject {
  const names = Object.keys(definitionSchemas[kind].properties);
  return Object.fromEntries(
    names.flatMap((name): [string, JsonValue][] => {
      const values = columnsOf(kind, name).map((column) => row[column] ?? null);
      const value = name === "triggers" ? values.flat() : values[0];
      return value === undefined || value === null ? [] : [[name, value]];
    }),
  );
}

/** Keys of answers that are no fields, so that an answer can be sent back changed. */
const answered = new Set([
  "id",
  "pack",
  "pack_ref",
  "created",
  "updated",
  "is_adhoc",
  "webhook_enabled",
  "webhook_key",
  "webhook_config",
  "state",
  "worker",
  "worker_name",
  "process",
  "reason",
]);

/**
 * The fields in the body of a request. Answers name what a definition refers to by id and by ref; the ids are left out, and a
 * sensor's main trigger where all its triggers are given.
 */
export function fieldsOfBody(kind: SchemaName, body: JsonObject): JsonObject {
  const isRepeated = (key: string, value: JsonValue): boolean =>
    (typeof value !== "string" && Object.hasOwn(body, `${key}_ref`)) ||
    (key === "trigger_ref" && Object.hasOwn(body, "trigger_refs"));
  return Object.fromEntries(
    Object.entries(body).filter(
      ([key, value]) =>
        !(kind !== "pack" && answered.has(key)) && !readOnly.has(key) && !isRepeated(key, value),
    ),
  );
}

const readOnly = new Set(["id", "created", "updated"]);

/** The fields that are named, under their current names. */
export function namedFields(kind: SchemaName, fields: JsonObject): ReadonlySet<string> {
  return new Set(Object.keys(fields).map((key) => currentName(kind, key)));
}
