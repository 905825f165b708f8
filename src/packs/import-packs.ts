/**
 * Loads packs that a request describes: what `packs load` reads from folders, as JSON. The definitions pass the same checks
 * again, except for their scripts, which are on the workers.
 *
 *     {"packs": [{"fields": {"ref": "garden", …}, "definitions": [{"kind": "rule", "fields": {…}}, …]}]}
 */
import type { Queryable } from "../database/database.ts";
import type { DefinitionEdit, FieldProblem } from "../model/definition-edit.ts";
import { kinds, type Kind } from "../model/definition-schemas.ts";
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from "../model/json/json.ts";
import { storableText } from "../model/json/storable-text.ts";
import type { Place } from "../model/placed-problem.ts";
import { acceptFields } from "./accept-fields.ts";
import { columns } from "./definition.ts";
import { fieldsOf, readGivenPart } from "./given-definition.ts";
import { loadInto, type LoadReport } from "./load-packs.ts";
import { ownRef, packNaming } from "./names.ts";
import type { Pack } from "./pack.ts";
import type { PackProblem } from "./pack-problem.ts";
import { repetitions } from "./read-pack.ts";

/** The packs of a request. */
export function importBody(packs: readonly Pack[]): JsonObject {
  return {
    packs: packs.map(({ row, definitions }) => ({
      fields: fieldsOf("pack", row),
      definitions: definitions.map((definition) => ({
        kind: definition.kind,
        fields: fieldsOf(definition.kind, definition.row),
      })),
    })),
  };
}

/**
 * A problem of such a request at its place in the files, as `packs load` without an API names it.
 *
 * @param parameter such as `packs.0.definitions.3.fields.trigger`
 * @returns undefined if the parameter is not a field of these packs
 */
export function problemInFiles(
  packs: readonly Pack[],
  { parameter, problem }: { readonly parameter: string; readonly problem: string },
): PackProblem | undefined {
  const [, packIndex, definitionIndex, field = ""] =
    /^packs\.(\d+)(?:\.definitions\.(\d+))?\.fields(?:\.(.*))?$/s.exec(parameter) ?? [];
  const pack = packs[Number(packIndex)];
  const subject = definitionIndex === undefined ? pack : pack?.definitions[Number(definitionIndex)];
  const place = field === "" ? [] : field.split(".").map((key) => (/^\d+$/.test(key) ? Number(key) : key));
  return subject?.problemAt(place, problem);
}

export async function importPacks(
  transaction: Queryable,
  body: JsonObject,
  by: string,
): Promise<DefinitionEdit<LoadReport>> {
  const { packs, problems } = await readPacks(body["packs"]);
  if (problems.length > 0) return { kind: "invalid", problems };
  const outcome = await loadInto(transaction, packs, by);
  if (outcome.kind === "unresolved") return { kind: "invalid", problems: outcome.problems };
  return { kind: "done", result: outcome.report };
}

interface GivenPacks {
  readonly packs: readonly Pack[];
  readonly problems: readonly FieldProblem[];
}

async function readPacks(given: JsonValue | undefined): Promise<GivenPacks> {
  if (!isJsonArray(given) || given.length === 0) {
    return { packs: [], problems: [{ field: "packs", reason: "must be a list of at least one pack" }] };
  }
  const reports = await Promise.all(given.map((pack, index) => readPack(pack, `packs.${index}`)));
  const packs = reports.flatMap((report) => report.packs);
  const refs = packs.map(({ ref }) => ref);
  const repeated = refs.flatMap((ref, index) =>
    refs.indexOf(ref) === index
      ? []
      : [{ field: `packs.${index}.fields.ref`, reason: "is also the ref of another of these packs" }],
  );
  return { packs, problems: [...reports.flatMap(({ problems }) => problems), ...repeated] };
}

async function readPack(given: JsonValue, place: string): Promise<GivenPacks> {
  if (!isJsonObject(given) || !isJsonObject(given["fields"])) {
    return { packs: [], problems: [{ field: `${place}.fields`, reason: "must be a mapping" }] };
  }
  const manifest = acceptFields("pack", given["fields"]);
  if (manifest.kind === "rejected") {
    const problems = manifest.problems.map(({ path, reason }) => ({
      field: [place, "fields", ...path].join("."),
      reason,
    }));
    return { packs: [], problems };
  }
  const { ref } = manifest.fields;
  const parts = partsOf(given["definitions"] ?? [], `${place}.definitions`);
  const ownRuntimes = parts.parts.flatMap(({ kind, fields }) =>
    kind === "runtime" && typeof fields["ref"] === "string"
      ? [ownRef(ref, fields["ref"]) ?? fields["ref"]]
      : [],
  );
  const context = { directory: null, packRef: ref, naming: packNaming(ref, new Set(ownRuntimes)) };
  const reports = await Promise.all(
    parts.parts.map(({ kind, fields, place: inner }) => readGivenPart(kind, fields, context, [inner])),
  );
  const definitions = reports.flatMap(({ definition }) => definition ?? []);
  const problemAt = (path: Place, reason: string): PackProblem => ({
    directory: place,
    file: null,
    line: 1,
    field: [place, "fields", ...path].join("."),
    reason,
  });
  const row = columns({ label: ref, description: null, ...manifest.fields });
  const problems = [
    ...parts.problems,
    ...reports.flatMap((report) => report.problems),
    ...repetitions(definitions),
    ...[{ row, problemAt }, ...definitions].flatMap(unstorable),
  ];
  return { packs: [{ directory: place, ref, row, definitions, problemAt }], problems };
}

interface Part {
  readonly kind: Kind;
  readonly fields: JsonObject;
  readonly place: string;
}

function partsOf(
  given: JsonValue,
  place: string,
): { readonly parts: readonly Part[]; readonly problems: readonly FieldProblem[] } {
  if (!isJsonArray(given)) return { parts: [], problems: [{ field: place, reason: "must be a list" }] };
  const parts: Part[] = [];
  const problems: FieldProblem[] = [];
  for (const [index, part] of given.entries()) {
    const fields = isJsonObject(part) ? part["fields"] : undefined;
    const kind = isJsonObject(part) ? kinds.find((each) => each === part["kind"]) : undefined;
    const inner = `${place}.${index}`;
    if (kind === undefined)
      problems.push({ field: `${inner}.kind`, reason: `must be one of ${kinds.join(", ")}` });
    else if (!isJsonObject(fields)) problems.push({ field: `${inner}.fields`, reason: "must be a mapping" });
    else parts.push({ kind, fields, place: `${inner}.fields` });
  }
  return { parts, problems };
}

function unstorable({ row, problemAt }: Pick<Pack, "row" | "problemAt">): readonly FieldProblem[] {
  const text = storableText(row);
  return text.kind === "text" ? [] : [problemAt([], `cannot be stored: ${text.reason}`)];
}
