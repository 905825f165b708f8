/** `/rules`: which events lead to which actions. A sensor's token reads the rules of its triggers only. */
import type { FastifyInstance } from "fastify";
import { Type } from "typebox";
import { entryColumns, type DefinitionEntry } from "../../database/statements/definition-lists.ts";
import type { Id } from "../../model/identifiers.ts";
import type { Caller } from "../../model/identity/caller.ts";
import { instantAnswer, orNull } from "../answers.ts";
import { RequestError } from "../errors.ts";
import type { DefinitionPorts } from "../definitions/ports.ts";
import { addEditRoutes, addReadRoutes, addSwitchRoutes, type ListedResource } from "../definitions/routes.ts";
import {
  answerOf,
  answerSchemaOf,
  filterParameters,
  listParameters,
  triggerOf,
} from "../definitions/schemas.ts";

export const RuleListParameters = Type.Object({
  ...listParameters,
  enabled: filterParameters.enabled,
  trigger_ref: filterParameters.trigger_ref,
  trigger_type: filterParameters.trigger_type,
  action_ref: filterParameters.action_ref,
  pack_ref: filterParameters.pack_ref,
  is_adhoc: filterParameters.is_adhoc,
  q: filterParameters.q,
  include: filterParameters.include,
});

export const RuleAnswer = answerSchemaOf(entryColumns.rule);

const ListedRule = Type.Object({
  ...RuleAnswer.properties,
  last_matched_at: Type.Optional(
    orNull(
      Type.String({
        format: "date-time",
        description: "Null: none of the newest 20,000 enforcements is of it",
      }),
    ),
  ),
});

export function ruleAnswer(entry: DefinitionEntry): object {
  return answerOf(entryColumns.rule, entry);
}

export interface RulePorts {
  readonly rules: DefinitionPorts;
  /** When each of these rules last matched; those of none of the newest enforcements are missing. */
  readonly readLastMatches: (ruleIds: readonly Id[]) => Promise<ReadonlyMap<Id, Date>>;
}

export function addRuleRoutes(scope: FastifyInstance, { rules, readLastMatches }: RulePorts): void {
  const resource: ListedResource = {
    kind: "rule",
    path: "/rules",
    ports: rules,
    readers: ["admin", "viewer", "sensor"],
    query: RuleListParameters,
    amongTriggers: (caller, query) => {
      const triggerRef = triggerOf(query);
      if (triggerRef !== null) demandTrigger(caller, triggerRef);
      return grantedTriggers(caller);
    },
    demandReadable: (caller, { columns }) => demandTrigger(caller, columns["trigger_ref"]),
    answer: ruleAnswer,
    answerSchema: RuleAnswer,
    listedSchema: ListedRule,
    async included(ids, { include }) {
      if (include !== "last_match") return new Map();
      const matches = await readLastMatches(ids);
      return new Map(ids.map((id) => [id, { last_matched_at: instantAnswer(matches.get(id) ?? null) }]));
    },
  };
  addReadRoutes(scope, resource);
  addEditRoutes(scope, resource);
  addSwitchRoutes(scope, resource);
}

/** Triggers that the caller is limited to; null: any. */
export function grantedTriggers(caller: Caller): readonly string[] | null {
  return caller.role === "sensor" ? caller.grant.triggerRefs : null;
}

/** @throws RequestError FORBIDDEN for a trigger that the caller's token is not for */
export function demandTrigger(caller: Caller, triggerRef: unknown): void {
  const granted = grantedTriggers(caller);
  if (granted === null || granted.some((each) => each === triggerRef)) return;
  throw new RequestError("FORBIDDEN", `The token is not for the trigger ${String(triggerRef)}.`);
}
