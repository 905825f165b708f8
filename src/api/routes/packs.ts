/** `/packs`: folders of definitions and scripts. */
import type { FastifyInstance } from "fastify";
import { Type } from "typebox";
import { entryColumns } from "../../database/statements/definition-lists.ts";
import {
  addEditRoutes,
  addReadRoutes,
  answerOf,
  answerSchemaOf,
  filterParameters,
  listParameters,
  readerRoles,
  type DefinitionPorts,
  type ListedResource,
} from "./definitions.ts";

export const PackListParameters = Type.Object({
  ...listParameters,
  is_standard: filterParameters.is_standard,
});

export const PackAnswer = answerSchemaOf(entryColumns.pack);

export function addPackRoutes(scope: FastifyInstance, { packs }: { readonly packs: DefinitionPorts }): void {
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
}
