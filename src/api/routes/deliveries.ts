/** `/deliveries`: the log of requests to webhooks, newest first. */
import type { FastifyInstance } from "fastify";
import { Type, type Static } from "typebox";
import type { DeliveryEntry } from "../../database/statements/webhook-deliveries.ts";
import { deliveryVerdicts } from "../../model/webhooks/delivery-record.ts";
import { idAnswer, IdAnswer, instantAnswer, InstantAnswer, orNull } from "../answers.ts";
import { RequestError } from "../errors.ts";
import { HistoryAnswer, historyAnswer, historyParameters, historyRequest } from "../history-paging.ts";
import type { Resources } from "../ports.ts";
import { Text } from "../validation.ts";

/** All of them fit into PostgreSQL's bigint. */
const idPattern = /^\d{1,18}$/;

const DeliveryListParameters = Type.Object({
  ...historyParameters,
  verdict: Type.Optional(Type.Enum(deliveryVerdicts)),
  reason: Type.Optional(Text("Why the request was not accepted")),
  trigger_ref: Type.Optional(Text("Trigger of the endpoint")),
  rule_ref: Type.Optional(Text("Rule of the endpoint, or the first of them")),
  path: Type.Optional(Text("Path after `/webhooks/`")),
  delivery_id: Type.Optional(Text("The sender's id of the delivery")),
  request_id: Type.Optional(Text("As in the answer's `X-Request-Id`")),
  event: Type.Optional(Type.String({ description: "Id of the event", pattern: idPattern.source })),
  remote_address: Type.Optional(Text("Address of the sender")),
});

const IdParameters = Type.Object({ id: Text("Id") });

const DeliveryAnswer = Type.Object({
  id: IdAnswer,
  request_id: orNull(Type.String({ description: "As in the answer's `X-Request-Id`" })),
  delivery_id: orNull(Type.String({ description: "The sender's id of the delivery" })),
  verdict: Type.Enum(deliveryVerdicts),
  reason: orNull(Type.String()),
  trigger_ref: orNull(Type.String()),
  rule_ref: orNull(Type.String()),
  method: Type.String(),
  path: orNull(Type.String({ description: "Null for an endpoint with a key" })),
  event_id: orNull(IdAnswer),
  event_count: Type.Integer(),
  remote_address: orNull(Type.String()),
  bytes: Type.Integer(),
  seconds: Type.Number({ description: "From the request's arrival to its answer" }),
  status: Type.Integer(),
  requests: Type.Integer({ description: "How many requests the row counts" }),
  worker_name: Type.String(),
  created: InstantAnswer,
});

type DeliveryResources = Pick<Resources, "listDeliveries" | "readDelivery">;

export function addDeliveryRoutes(
  scope: FastifyInstance,
  { listDeliveries, readDelivery }: DeliveryResources,
): void {
  const roles = ["admin", "viewer"] as const;
  scope.get<{ Querystring: Static<typeof DeliveryListParameters> }>(
    "/deliveries",
    {
      config: { roles },
      schema: { querystring: DeliveryListParameters, response: { 200: HistoryAnswer(DeliveryAnswer) } },
    },
    async ({ query }) => {
      const filter = {
        verdict: query.verdict ?? null,
        reason: query.reason ?? null,
        triggerRef: query.trigger_ref ?? null,
        ruleRef: query.rule_ref ?? null,
        path: query.path ?? null,
        deliveryId: query.delivery_id ?? null,
        requestId: query.request_id ?? null,
        event: query.event ?? null,
        remoteAddress: query.remote_address ?? null,
      };
      return historyAnswer(query, await listDeliveries(filter, historyRequest(query)), deliveryAnswer);
    },
  );

  scope.get<{ Params: Static<typeof IdParameters> }>(
    "/deliveries/:id",
    {
      config: { roles },
      schema: { params: IdParameters, response: { 200: Type.Object({ data: DeliveryAnswer }) } },
    },
    async ({ params }) => {
      const delivery = idPattern.test(params.id) ? await readDelivery(params.id) : undefined;
      if (delivery === undefined) throw new RequestError("NOT_FOUND", `There is no delivery ${params.id}.`);
      return { data: deliveryAnswer(delivery) };
    },
  );
}

function deliveryAnswer(entry: DeliveryEntry): Static<typeof DeliveryAnswer> {
  return {
    id: idAnswer(entry.id),
    request_id: entry.requestId,
    delivery_id: entry.deliveryId,
    verdict: entry.verdict,
    reason: entry.reason,
    trigger_ref: entry.triggerRef,
    rule_ref: entry.ruleRef,
    method: entry.method,
    path: entry.path,
    event_id: idAnswer(entry.eventId),
    event_count: entry.eventCount,
    remote_address: entry.remoteAddress,
    bytes: entry.bytes,
    seconds: entry.seconds,
    status: entry.status,
    requests: entry.requests,
    worker_name: entry.workerName,
    created: instantAnswer(entry.createdAt),
  };
}
