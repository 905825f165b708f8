/**
 * What requests and answers about definitions look like.
 *
 * Bodies are checked where packs are loaded (packs/edit-definitions.ts), with the same code. Their schemas here are for the
 * OpenAPI document, made from the fields of packs' files with the names that answers have.
 */
import { Type, type Static, type TSchema } from "typebox";
import {
  definitionOrders,
  type ColumnSort,
  type DefinitionEntry,
  type EntryColumns,
} from "../../database/statements/definition-lists.ts";
import type { DefinitionKind } from "../../model/definition-edit.ts";
import { definitionSchemas } from "../../model/definition-schemas.ts";
import { idAnswer, IdAnswer, instantAnswer, InstantAnswer, orNull } from "../answers.ts";
import { listPageParameters } from "../paging.ts";
import { Text } from "../validation.ts";

export const NameParameters = Type.Object({ ref: Text("Its ref, or its id") });
export type NameParameters = Static<typeof NameParameters>;

/** Parameters of every list of definitions. */
export const listParameters = {
  ...listPageParameters,
  sort: Type.Optional(
    Type.Enum(definitionOrders, { description: "Key to sort by, with `-` in descending order" }),
  ),
};

export const searchParameter = Type.Optional(
  Text("Text that its ref, label or the like contains, in upper or lower case"),
);

/** What lists of definitions are filtered by. A list ignores those that it does not know. */
export const filterParameters = {
  pack_ref: Type.Optional(Text("Pack that defines it")),
  enabled: Type.Optional(Type.Boolean()),
  is_adhoc: Type.Optional(Type.Boolean({ description: "Whether a request made it, not a pack" })),
  is_standard: Type.Optional(Type.Boolean({ description: "Whether it belongs to the platform itself" })),
  runtime_type: Type.Optional(Type.Enum(["sensor", "action"])),
  trigger_ref: Type.Optional(Text("Trigger whose events it matches")),
  trigger_type: Type.Optional(Text("Another name of `trigger_ref`")),
  action_ref: Type.Optional(Text("Action it leads to")),
  q: searchParameter,
  include: Type.Optional(
    Type.Enum(["last_match"], { description: "With it entries have `last_matched_at`" }),
  ),
};

const AllParameters = Type.Object({ ...listParameters, ...filterParameters });

export type ListQuery = Static<typeof AllParameters>;

export function triggerOf(query: ListQuery): string | null {
  return query.trigger_ref ?? query.trigger_type ?? null;
}

const answerSchemas: Readonly<Record<ColumnSort, TSchema>> = {
  id: IdAnswer,
  idOrNull: orNull(IdAnswer),
  text: Type.String(),
  textOrNull: orNull(Type.String()),
  texts: Type.Array(Type.String()),
  boolean: Type.Boolean(),
  json: Type.Unknown(),
  jsonObject: Type.Object({}, { additionalProperties: Type.Unknown() }),
  instant: InstantAnswer,
};

export function answerSchemaOf(columns: EntryColumns) {
  return Type.Object(
    Object.fromEntries(Object.entries(columns).map(([name, sort]) => [name, answerSchemas[sort]])),
  );
}

/** The entry as it is answered. */
export function answerOf(columns: EntryColumns, entry: DefinitionEntry): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(columns).map(([name, sort]) => {
      const value = entry.columns[name] ?? null;
      if (sort === "id" || sort === "idOrNull")
        return [name, idAnswer(typeof value === "string" ? value : null)];
      return [name, value instanceof Date ? instantAnswer(value) : value];
    }),
  );
}

/** Fields whose names in requests and answers are those of their columns. */
const requestNames: Readonly<Record<string, string>> = {
  trigger: "trigger_ref",
  action: "action_ref",
  runtime: "runtime_ref",
  triggers: "trigger_refs",
};

/** For the OpenAPI document. A change names any of them. */
export function bodySchema(kind: DefinitionKind, isChange: boolean): TSchema {
  const { properties, required } = definitionSchemas[kind];
  const isRequired = (name: string, field: TSchema): boolean =>
    !isChange && required.some((each) => each === name) && !("default" in field);
  const own = kind === "pack" ? {} : { pack_ref: Type.Optional(Type.String({ description: "Its pack" })) };
  return Type.Object({
    ...Object.fromEntries(
      Object.entries<TSchema>(properties).map(([name, field]) => [
        requestNames[name] ?? name,
        isRequired(name, field) ? field : Type.Optional(field),
      ]),
    ),
    ...own,
  });
}

export const RemovedAnswer = Type.Object({
  data: Type.Object({ id: IdAnswer, ref: Type.String() }),
  success: Type.Boolean(),
  message: Type.String(),
});
