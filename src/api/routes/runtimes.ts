/** `/runtimes`: interpreters that sensors need. */
import type { FastifyInstance } from "fastify";
import { Type } from "typebox";
import { entryColumns } from "../../database/statements/definition-lists.ts";
import type { DefinitionPorts } from "../definitions/ports.ts";
import { addEditRoutes, addReadRoutes, readerRoles, type ListedResource } from "../definitions/routes.ts";
import { answerOf, answerSchemaOf, filterParameters, listParameters } from "../definitions/schemas.ts";

export const RuntimeListParameters = Type.Object({
  ...listParameters,
  pack_ref: filterParameters.pack_ref,
  runtime_type: filterParameters.runtime_type,
  q: filterParameters.q,
});

export const RuntimeAnswer = answerSchemaOf(entryColumns.runtime);

export function addRuntimeRoutes(
  scope: FastifyInstance,
  { runtimes }: { readonly runtimes: DefinitionPorts },
): void {
  const resource: ListedResource = {
    kind: "runtime",
    path: "/runtimes",
    ports: runtimes,
    readers: readerRoles,
    query: RuntimeListParameters,
    answer: (entry) => answerOf(entryColumns.runtime, entry),
    answerSchema: RuntimeAnswer,
  };
  addReadRoutes(scope, resource);
  addEditRoutes(scope, resource);
}
