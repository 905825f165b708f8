/** `/events` and `/enforcements`: what happened, newest first, and one of them with everything. */
import type { FastifyInstance } from "fastify";
import { Type, type Static } from "typebox";
import {
  enforcementStatuses,
  type EnforcementDetails,
  type EnforcementEntry,
  type EventDetails,
  type EventEntry,
  type Named,
} from "../../database/statements/event-list.ts";
import { idAnswer, IdAnswer, instantAnswer, InstantAnswer, orNull } from "../answers.ts";
import { RequestError } from "../errors.ts";
import { HistoryAnswer, historyAnswer, historyParameters, historyRequest } from "../history-paging.ts";
import type { Resources } from "../ports.ts";
import { Text } from "../validation.ts";

/** All of them fit into PostgreSQL's bigint. */
const idPattern = /^\d{1,18}$/;

const EventListParameters = Type.Object({
  ...historyParameters,
  trigger: Type.Optional(Text("Id or ref of the trigger")),
  trigger_ref: Type.Optional(Text("Ref of the trigger")),
  trigger_type: Type.Optional(Text("Another name of `trigger_ref`")),
  source: Type.Optional(Text("Id or ref of the sensor")),
  source_ref: Type.Optional(Text("Ref of the sensor")),
  rule: Type.Optional(Text("Id or ref of the only rule that the event is for")),
  rule_ref: Type.Optional(Text("Ref of that rule")),
});

const EnforcementListParameters = Type.Object({
  ...historyParameters,
  rule: Type.Optional(Text("Id or ref of the rule")),
  rule_ref: Type.Optional(Text("Ref of the rule")),
  event: Type.Optional(Type.String({ description: "Id of the event", pattern: idPattern.source })),
  trigger_ref: Type.Optional(Text("Ref of the event's trigger")),
  trigger_type: Type.Optional(Text("Another name of `trigger_ref`")),
  status: Type.Optional(Type.Enum(enforcementStatuses)),
});

const IdParameters = Type.Object({ id: Text("Id") });

export const EventAnswer = Type.Object({
  id: IdAnswer,
  trigger: orNull(IdAnswer),
  trigger_ref: Type.String(),
  source: orNull(IdAnswer),
  source_ref: orNull(Type.String()),
  rule: orNull(IdAnswer),
  rule_ref: orNull(Type.String()),
  has_payload: Type.Boolean(),
  occurred_at: orNull(InstantAnswer),
  dedup_key: orNull(Type.String()),
  created: InstantAnswer,
});

export const EventDetailsAnswer = Type.Object({
  ...EventAnswer.properties,
  payload: Type.Unknown(),
  config: Type.Unknown({ description: "Trigger and sensor as they were configured" }),
  traceparent: orNull(Type.String({ description: "Its trace, in the form of W3C Trace Context" })),
  tracestate: orNull(Type.String()),
});

export const EnforcementAnswer = Type.Object({
  id: IdAnswer,
  rule: orNull(IdAnswer),
  rule_ref: Type.String(),
  event: orNull(IdAnswer),
  trigger_ref: Type.String(),
  action: orNull(IdAnswer),
  action_ref: orNull(Type.String()),
  status: Type.Enum(enforcementStatuses),
  condition: Type.Enum(["all", "any"]),
  created: InstantAnswer,
  updated: InstantAnswer,
});

export const EnforcementDetailsAnswer = Type.Object({
  ...EnforcementAnswer.properties,
  payload: Type.Unknown(),
  config: Type.Unknown({ description: "The action's parameters, rendered" }),
  conditions: Type.Unknown(),
  traceparent: orNull(Type.String({ description: "Trace of its event" })),
});

const roles = ["admin", "viewer"] as const;

type EventResources = Pick<Resources, "listEvents" | "readEvent">;

export function addEventRoutes(scope: FastifyInstance, { listEvents, readEvent }: EventResources): void {
  scope.get<{ Querystring: Static<typeof EventListParameters> }>(
    "/events",
    {
      config: { roles },
      schema: { querystring: EventListParameters, response: { 200: HistoryAnswer(EventAnswer) } },
    },
    async ({ query }) => {
      const filter = {
        trigger: named(query.trigger, query.trigger_ref ?? query.trigger_type),
        source: named(query.source, query.source_ref),
        rule: named(query.rule, query.rule_ref),
      };
      return historyAnswer(query, await listEvents(filter, historyRequest(query)), eventAnswer);
    },
  );

  scope.get<{ Params: Static<typeof IdParameters> }>(
    "/events/:id",
    {
      config: { roles },
      schema: { params: IdParameters, response: { 200: Type.Object({ data: EventDetailsAnswer }) } },
    },
    async ({ params }) => {
      const event = isId(params.id) ? await readEvent(params.id) : undefined;
      if (event === undefined) throw new RequestError("NOT_FOUND", `There is no event ${params.id}.`);
      return { data: eventDetailsAnswer(event) };
    },
  );
}

export function addEnforcementRoutes(
  scope: FastifyInstance,
  { listEnforcements, readEnforcement }: Pick<Resources, "listEnforcements" | "readEnforcement">,
): void {
  scope.get<{ Querystring: Static<typeof EnforcementListParameters> }>(
    "/enforcements",
    {
      config: { roles },
      schema: { querystring: EnforcementListParameters, response: { 200: HistoryAnswer(EnforcementAnswer) } },
    },
    async ({ query }) => {
      const filter = {
        rule: named(query.rule, query.rule_ref),
        event: query.event ?? null,
        triggerRef: query.trigger_ref ?? query.trigger_type ?? null,
        status: query.status ?? null,
      };
      return historyAnswer(query, await listEnforcements(filter, historyRequest(query)), enforcementAnswer);
    },
  );

  scope.get<{ Params: Static<typeof IdParameters> }>(
    "/enforcements/:id",
    {
      config: { roles },
      schema: { params: IdParameters, response: { 200: Type.Object({ data: EnforcementDetailsAnswer }) } },
    },
    async ({ params }) => {
      const enforcement = isId(params.id) ? await readEnforcement(params.id) : undefined;
      if (enforcement === undefined)
        throw new RequestError("NOT_FOUND", `There is no enforcement ${params.id}.`);
      return { data: enforcementDetailsAnswer(enforcement) };
    },
  );
}

/** @param idOrRef refs are not made of digits alone */
function named(idOrRef: string | undefined, ref: string | undefined): Named {
  const isRow = idOrRef !== undefined && isId(idOrRef);
  return { id: isRow ? idOrRef : null, ref: ref ?? (isRow ? null : (idOrRef ?? null)) };
}

function isId(text: string): boolean {
  return idPattern.test(text);
}

function eventAnswer(event: EventEntry): Static<typeof EventAnswer> {
  return {
    id: idAnswer(event.id),
    trigger: idAnswer(event.trigger),
    trigger_ref: event.triggerRef,
    source: idAnswer(event.source),
    source_ref: event.sourceRef,
    rule: idAnswer(event.rule),
    rule_ref: event.ruleRef,
    has_payload: event.hasPayload,
    occurred_at: instantAnswer(event.occurredAt),
    dedup_key: event.dedupKey,
    created: instantAnswer(event.createdAt),
  };
}

function eventDetailsAnswer(event: EventDetails): Static<typeof EventDetailsAnswer> {
  const { payload, config, traceparent, tracestate } = event;
  return { ...eventAnswer(event), payload, config, traceparent, tracestate };
}

function enforcementAnswer(enforcement: EnforcementEntry): Static<typeof EnforcementAnswer> {
  return {
    id: idAnswer(enforcement.id),
    rule: idAnswer(enforcement.rule),
    rule_ref: enforcement.ruleRef,
    event: idAnswer(enforcement.event),
    trigger_ref: enforcement.triggerRef,
    action: idAnswer(enforcement.action),
    action_ref: enforcement.actionRef,
    status: enforcement.status,
    condition: enforcement.condition,
    created: instantAnswer(enforcement.createdAt),
    updated: instantAnswer(enforcement.updatedAt),
  };
}

function enforcementDetailsAnswer(enforcement: EnforcementDetails): Static<typeof EnforcementDetailsAnswer> {
  const { payload, config, conditions, traceparent } = enforcement;
  return { ...enforcementAnswer(enforcement), payload, config, conditions, traceparent };
}
