/** `/triggers`: kinds of events, their rules and their webhooks. A sensor's token reads its triggers only. */
import type { FastifyInstance } from "fastify";
import { Type, type Static } from "typebox";
import {
  anyDefinition,
  entryColumns,
  type DefinitionEntry,
} from "../../database/statements/definition-lists.ts";
import type { Caller } from "../../model/identity/caller.ts";
import { isJsonObject, type JsonObject } from "../../model/json/json.ts";
import { invalidParameter, RequestError } from "../errors.ts";
import type { DefinitionPorts } from "../definitions/ports.ts";
import {
  addChangeRoute,
  addEditRoutes,
  addReadRoutes,
  addSwitchRoutes,
  readOne,
  type ListedResource,
} from "../definitions/routes.ts";
import {
  answerOf,
  answerSchemaOf,
  filterParameters,
  listParameters,
  NameParameters,
} from "../definitions/schemas.ts";
import { demandTrigger, grantedTriggers, ruleAnswer, RuleAnswer } from "./rules.ts";
import { addSchemaMemoryRoute, type SchemaMemoryPorts } from "./schema-memory.ts";

export const TriggerListParameters = Type.Object({
  ...listParameters,
  enabled: filterParameters.enabled,
  pack_ref: filterParameters.pack_ref,
  is_adhoc: filterParameters.is_adhoc,
  q: filterParameters.q,
});

const RulesParameters = Type.Object({ enabled: Type.Optional(Type.Boolean()) });

export const TriggerAnswer = answerSchemaOf(entryColumns.trigger);

/** Rules of one trigger in one answer. Some clients read only one. */
const rulesMax = 10_000;

export interface TriggerPorts extends SchemaMemoryPorts {
  readonly triggers: DefinitionPorts;
  readonly rules: DefinitionPorts;
}

export function addTriggerRoutes(scope: FastifyInstance, ports: TriggerPorts): void {
  const { triggers, rules } = ports;
  const resource: ListedResource = {
    kind: "trigger",
    path: "/triggers",
    ports: triggers,
    readers: ["admin", "viewer", "sensor"],
    query: TriggerListParameters,
    amongTriggers: grantedTriggers,
    demandReadable: (caller, { ref }) => demandTrigger(caller, ref),
    answer: triggerAnswer,
    answerSchema: TriggerAnswer,
  };
  addReadRoutes(scope, resource);

  scope.get<{ Params: NameParameters; Querystring: Static<typeof RulesParameters> }>(
    "/triggers/:ref/rules",
    {
      config: { roles: resource.readers },
      schema: {
        description: "All rules of the trigger, in one answer.",
        params: NameParameters,
        querystring: RulesParameters,
        response: { 200: Type.Object({ data: Type.Array(RuleAnswer) }) },
      },
    },
    async ({ params, query, caller }) => {
      const { ref } = await readOne(resource, params.ref, caller);
      const { entries } = await rules.list("id", {
        ...anyDefinition,
        triggerRef: ref,
        isEnabled: query.enabled ?? null,
        limit: rulesMax + 1,
        offset: 0,
        after: null,
      });
      if (entries.length > rulesMax) {
        const remedy = `GET /api/v1/rules?trigger_ref=${encodeURIComponent(ref)} gives them page by page.`;
        throw new RequestError("PAYLOAD_TOO_LARGE", `The trigger has more than ${rulesMax} rules; ${remedy}`);
      }
      return { data: entries.map(ruleAnswer) };
    },
  );

  addSchemaMemoryRoute(scope, resource, ports);
  addEditRoutes(scope, resource);
  addSwitchRoutes(scope, resource);
  for (const change of ["enable", "disable", "regenerate"] as const) {
    addChangeRoute(scope, resource, `/triggers/:ref/webhooks/${change}`, ({ name, isExpected, body, by }) =>
      triggers.changeWebhook(by, change, name, isExpected, change === "enable" ? configOf(body) : null),
    );
  }
}

/** The settings in the body of `enable`, which older clients leave empty. */
function configOf(body: unknown): JsonObject | null {
  const config = isJsonObject(body) ? (body["config"] ?? null) : null;
  if (config === null || isJsonObject(config)) return config;
  throw invalidParameter("config", "must be a JSON object");
}

/** Anyone who knows the webhook's key can make events, so only admins see it. */
function triggerAnswer(entry: DefinitionEntry, { role }: Caller): object {
  const answer = answerOf(entryColumns.trigger, entry);
  return role === "admin" ? answer : { ...answer, webhook_key: null };
}
