/** `/triggers/:ref/schema-memory`: what payloads of a trigger look like, compared with its out_schema. */
import type { FastifyInstance } from "fastify";
import { Type } from "typebox";
import { isJsonObject, type JsonObject } from "../../model/json/json.ts";
import { compareWithSchema } from "../../model/schema-memory/compare-schema.ts";
import { driftText, type Drift } from "../../model/schema-memory/memory-drift.ts";
import { suggestSchema } from "../../model/schema-memory/suggest-schema.ts";
import { typesIn, type FieldMemory, type PayloadMemory } from "../../model/schema-memory/payload-memory.ts";
import { InstantAnswer, instantAnswer, orNull } from "../answers.ts";
import { readOne, type ListedResource } from "../definitions/routes.ts";
import { NameParameters } from "../definitions/schemas.ts";

export interface RememberedPayloads {
  readonly memory: PayloadMemory;
  /** Changes that were noticed, the oldest first. */
  readonly drifts: readonly Drift[];
}

export interface SchemaMemoryPorts {
  /** Undefined: no payload was seen yet. */
  readonly readSchemaMemory: (triggerRef: string) => Promise<RememberedPayloads | undefined>;
}

const TypeAnswer = Type.Object({
  type: Type.String(),
  payloads: Type.Integer({ description: "Sampled payloads in which the field has this type" }),
  first_at: InstantAnswer,
  last_at: InstantAnswer,
});

const FieldAnswer = Type.Object({
  path: Type.String({ description: "`[]` means every element, `[*]` every member of a table" }),
  share: Type.Number({ description: "Share of the sampled payloads that have it, from 0 to 1" }),
  types: Type.Array(TypeAnswer),
  examples: Type.Array(Type.Unknown()),
});

const SchemaMemoryAnswer = Type.Object({
  trigger_ref: Type.String(),
  samples: Type.Integer({ description: "Payloads it was learned from" }),
  first_at: orNull(InstantAnswer),
  last_at: orNull(InstantAnswer),
  is_cut: Type.Boolean({ description: "Whether fields were left out, because there are too many" }),
  fields: Type.Array(FieldAnswer),
  differences: Type.Array(
    Type.Object({
      kind: Type.Enum(["undeclared", "type", "missing", "unseen"]),
      path: Type.String(),
      text: Type.String(),
    }),
    { description: "How payloads differ from the trigger's out_schema" },
  ),
  drifts: Type.Array(
    Type.Object({
      kind: Type.Enum(["type", "missing"]),
      path: Type.String(),
      from: Type.Array(Type.String()),
      to: orNull(Type.String()),
      turned: Type.Boolean(),
      since: InstantAnswer,
      text: Type.String({ description: "The change as a clause" }),
    }),
    { description: "How payloads have changed, the newest first" },
  ),
  suggested_schema: Type.Object({}, { additionalProperties: Type.Unknown() }),
});

export function addSchemaMemoryRoute(
  scope: FastifyInstance,
  resource: ListedResource,
  { readSchemaMemory }: SchemaMemoryPorts,
): void {
  scope.get<{ Params: NameParameters }>(
    `${resource.path}/:ref/schema-memory`,
    {
      config: { roles: ["admin", "viewer"] },
      schema: {
        description: "What payloads of the trigger look like, learned from samples of its events.",
        params: NameParameters,
        response: { 200: Type.Object({ data: SchemaMemoryAnswer }) },
      },
    },
    async ({ params, caller }) => {
      const { ref, columns } = await readOne(resource, params.ref, caller);
      const schema = columns["out_schema"];
      const remembered = await readSchemaMemory(ref);
      return { data: memoryAnswer(ref, remembered, isJsonObject(schema) ? schema : {}) };
    },
  );
}

function memoryAnswer(ref: string, remembered: RememberedPayloads | undefined, schema: JsonObject): object {
  if (remembered === undefined) {
    const nothing = { samples: 0, first_at: null, last_at: null, is_cut: false };
    return { trigger_ref: ref, ...nothing, fields: [], differences: [], drifts: [], suggested_schema: {} };
  }
  const { memory, drifts } = remembered;
  const fields = [...memory.fields].toSorted(([one], [other]) => (one < other ? -1 : 1));
  return {
    trigger_ref: ref,
    samples: memory.samples,
    first_at: instantAnswer(new Date(memory.firstMs)),
    last_at: instantAnswer(new Date(memory.lastMs)),
    is_cut: memory.isCut,
    fields: fields.map(([path, field]) => fieldAnswer(path, field, memory.samples)),
    differences: compareWithSchema(memory, schema),
    drifts: drifts.map(driftAnswer).toReversed(),
    suggested_schema: suggestSchema(memory),
  };
}

function fieldAnswer(path: string, field: FieldMemory, samples: number): object {
  return {
    path,
    share: samples === 0 ? 0 : Math.min(1, Math.round((1_000 * field.present) / samples) / 1_000),
    types: typesIn(field).map((type) => {
      const { count = 0, firstMs = 0, lastMs = 0 } = field.types[type] ?? {};
      const times = {
        first_at: instantAnswer(new Date(firstMs)),
        last_at: instantAnswer(new Date(lastMs)),
      };
      return { type, payloads: count, ...times };
    }),
    examples: field.examples,
  };
}

function driftAnswer(drift: Drift): object {
  const { kind, path, sinceMs } = drift;
  const types =
    drift.kind === "missing"
      ? { from: [], to: null, turned: false }
      : { from: drift.from, to: drift.to, turned: drift.hasTurned };
  return { kind, path, ...types, since: instantAnswer(new Date(sinceMs)), text: driftText(drift) };
}
