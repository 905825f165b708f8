/** `/packs`: folders of definitions and scripts. */
import type { FastifyInstance } from "fastify";
import { Type } from "typebox";
import { entryColumns } from "../../database/statements/definition-lists.ts";
import type { DefinitionEdit } from "../../model/definition-edit.ts";
import { kinds } from "../../model/definition-schemas.ts";
import type { JsonObject } from "../../model/json/json.ts";
import { RequestError } from "../errors.ts";
import { bodyForHandler } from "../validation.ts";
import { objectOf, resultOf } from "../definitions/outcomes.ts";
import type { DefinitionPorts } from "../definitions/ports.ts";
import {
  addEditRoutes,
  addReadRoutes,
  writerRoles,
  readerRoles,
  type ListedResource,
} from "../definitions/routes.ts";
import { answerOf, answerSchemaOf, filterParameters, listParameters } from "../definitions/schemas.ts";

export const PackListParameters = Type.Object({
  ...listParameters,
  is_standard: filterParameters.is_standard,
  q: filterParameters.q,
});

export const PackAnswer = answerSchemaOf(entryColumns.pack);

interface Named {
  readonly kind: string;
  readonly ref: string;
}

interface ImportReport {
  readonly changes: readonly (Named & { readonly change: string })[];
  readonly unchanged: readonly Named[];
}

export interface PackPorts {
  readonly packs: DefinitionPorts;
  /** Loads packs with all their definitions, all or nothing. */
  readonly importPacks: (by: string, body: JsonObject) => Promise<DefinitionEdit<ImportReport>>;
}

const importBytesMax = 16 * 1_048_576;
/** They run one after the other, and each that waits holds its packs in memory. */
const importsMax = 4;

const ImportBody = Type.Object({
  packs: Type.Array(
    Type.Object({
      fields: Type.Object({}, { description: "Those of pack.yaml", additionalProperties: Type.Unknown() }),
      definitions: Type.Optional(
        Type.Array(
          Type.Object({
            kind: Type.Enum(kinds),
            fields: Type.Object(
              {},
              { description: "Those of its file", additionalProperties: Type.Unknown() },
            ),
          }),
        ),
      ),
    }),
  ),
});

const NamedAnswer = { kind: Type.String(), ref: Type.String() };

const ImportAnswer = Type.Object({
  changes: Type.Array(Type.Object({ ...NamedAnswer, change: Type.Enum(["created", "updated", "removed"]) })),
  unchanged: Type.Array(Type.Object(NamedAnswer)),
});

export function addPackRoutes(scope: FastifyInstance, { packs, importPacks }: PackPorts): void {
  const resource: ListedResource = {
    kind: "pack",
    path: "/packs",
    ports: packs,
    readers: readerRoles,
    query: PackListParameters,
    answer: (entry) => answerOf(entryColumns.pack, entry),
    answerSchema: PackAnswer,
  };
  addReadRoutes(scope, resource);
  addEditRoutes(scope, resource);
  let imports = 0;

  scope.post(
    "/packs/import",
    {
      bodyLimit: importBytesMax,
      config: { roles: writerRoles },
      schema: {
        description: "Loads packs as `packs load` does, all or nothing.",
        body: ImportBody,
        response: { 200: Type.Object({ data: ImportAnswer }) },
      },
      validatorCompiler: bodyForHandler,
    },
    async ({ body, caller }) => {
      if (imports >= importsMax)
        throw new RequestError(
          "UNAVAILABLE",
          `${importsMax} imports are under way; send this one again later.`,
        );
      imports += 1;
      try {
        return { data: resultOf("pack", await importPacks(caller.login, objectOf(body)), "") };
      } finally {
        imports -= 1;
      }
    },
  );
}
