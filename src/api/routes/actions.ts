/** `/actions`: what rules lead to. Other services run them; here they are only kept. */
import type { FastifyInstance } from "fastify";
import { Type } from "typebox";
import { entryColumns } from "../../database/statements/definition-lists.ts";
import type { DefinitionPorts } from "../definitions/ports.ts";
import { addEditRoutes, addReadRoutes, readerRoles, type ListedResource } from "../definitions/routes.ts";
import { answerOf, answerSchemaOf, filterParameters, listParameters } from "../definitions/schemas.ts";

export const ActionListParameters = Type.Object({
  ...listParameters,
  pack_ref: filterParameters.pack_ref,
  is_adhoc: filterParameters.is_adhoc,
  q: filterParameters.q,
});

export const ActionAnswer = answerSchemaOf(entryColumns.action);

export function addActionRoutes(
  scope: FastifyInstance,
  { actions }: { readonly actions: DefinitionPorts },
): void {
  const resource: ListedResource = {
    kind: "action",
    path: "/actions",
    ports: actions,
    readers: readerRoles,
    query: ActionListParameters,
    answer: (entry) => answerOf(entryColumns.action, entry),
    answerSchema: ActionAnswer,
  };
  addReadRoutes(scope, resource);
  addEditRoutes(scope, resource);
}
