/**
 * The messages this service publishes, ready to send.
 *
 * Events and enforcements are the hot path: their bodies are put together from JSON texts that are
 * known already, so that a payload is serialised once, for the database. A message depends only on
 * its committed row; publishing it again gives the same bytes under the same id.
 */
import { messageId, type Id } from "../model/identifiers.ts";
import type { JsonObject } from "../model/json.ts";
import { encodeEnvelope, envelopeVersion, sourceService, type Envelope } from "./envelope.ts";
import { fields, idJson, instant, text } from "./json-shape.ts";
import type { OutgoingMessage } from "./message-transport.ts";
import { payloadShapes } from "./payload-shapes.ts";

/** The exchange that everything this service publishes goes to. */
export const eventsExchange = "attune.events";

export const routingKeys = {
  EventCreated: "event.created",
  EnforcementCreated: "enforcement.created",
  RuleCreated: "rule.created",
  RuleEnabled: "rule.enabled",
  RuleDisabled: "rule.disabled",
  RuleUpdated: "rule.updated",
  RuleDeleted: "rule.deleted",
} as const;

export type PublishedType = keyof typeof routingKeys;
type RuleChangeType = Exclude<PublishedType, "EventCreated" | "EnforcementCreated">;

export interface EventCreatedInput {
  readonly installationId: string;
  readonly eventId: Id;
  readonly triggerId: Id | null;
  readonly triggerRef: string;
  readonly sensorId: Id | null;
  readonly sensorRef: string | null;
  readonly payloadJson: string;
  readonly configJson: string;
  /** The row's created time. */
  readonly timestampMs: number;
  readonly traceId?: string;
}

export function eventCreated(event: EventCreatedInput): OutgoingMessage {
  const ownId = messageId(event.installationId, "event", event.eventId);
  const { triggerId, sensorId, timestampMs } = event;
  const payload =
    `{"event_id":${idJson(event.eventId)},"trigger_id":${triggerId === null ? "null" : idJson(triggerId)}` +
    `,"trigger_ref":${JSON.stringify(event.triggerRef)}` +
    `,"sensor_id":${sensorId === null ? "null" : idJson(sensorId)}` +
    `,"sensor_ref":${JSON.stringify(event.sensorRef)}` +
    `,"payload":${event.payloadJson},"config":${event.configJson}}`;
  return assemble("EventCreated", ownId, ownId, timestampMs, event.traceId, payload);
}

export interface EnforcementCreatedInput {
  readonly installationId: string;
  readonly enforcementId: Id;
  readonly ruleId: Id;
  readonly ruleRef: string;
  readonly eventId: Id;
  readonly triggerRef: string;
  readonly payloadJson: string;
  /** The row's created time. */
  readonly timestampMs: number;
  readonly traceId?: string;
}

/** Correlated with its event: the correlation id is the event's message id. */
export function enforcementCreated(enforcement: EnforcementCreatedInput): OutgoingMessage {
  const { installationId, timestampMs } = enforcement;
  const ownId = messageId(installationId, "enforcement", enforcement.enforcementId);
  const eventMessageId = messageId(installationId, "event", enforcement.eventId);
  const payload =
    `{"enforcement_id":${idJson(enforcement.enforcementId)},"rule_id":${idJson(enforcement.ruleId)}` +
    `,"rule_ref":${JSON.stringify(enforcement.ruleRef)},"event_id":${idJson(enforcement.eventId)}` +
    `,"trigger_ref":${JSON.stringify(enforcement.triggerRef)},"payload":${enforcement.payloadJson}}`;
  return assemble("EnforcementCreated", ownId, eventMessageId, timestampMs, enforcement.traceId, payload);
}

function assemble(
  type: "EventCreated" | "EnforcementCreated",
  ownId: string,
  correlationId: string,
  timestampMs: number,
  traceId: string | undefined,
  payload: string,
): OutgoingMessage {
  const trace = traceId === undefined ? "" : `,"trace_id":${JSON.stringify(traceId)}`;
  const body =
    `{"message_id":"${ownId}","correlation_id":"${correlationId}","message_type":"${type}"` +
    `,"version":"${envelopeVersion}","timestamp":"${new Date(timestampMs).toISOString()}"` +
    `,"headers":{"retry_count":0,"source_service":"${sourceService}"${trace}},"payload":${payload}}`;
  return {
    exchange: eventsExchange,
    routingKey: routingKeys[type],
    messageId: ownId,
    correlationId,
    type,
    timestampMs,
    body,
  };
}

const owedRuleMessage = fields({
  message_type: text,
  timestamp: instant,
  payload: payloadShapes.RuleCreated,
});

/**
 * The message that a rule's change owes, from its outbox row.
 *
 * Sensors of the platform read rule changes in a flat form; so the body repeats the rule's fields
 * beside the envelope, under the names they expect.
 *
 * @param owed the outbox row's body as the database function owe_rule_message wrote it
 * @throws when the body has another shape: function and code disagree
 */
export function ruleChanged(ownId: string, owed: JsonObject): OutgoingMessage {
  const { message_type: type, timestamp, payload } = owedRuleMessage.decode(owed, "outbox.body");
  if (!isRuleChangeType(type)) throw new Error(`outbox.body.message_type: ${type} is no rule message`);
  const envelope: Envelope = {
    message_id: ownId,
    correlation_id: ownId,
    message_type: type,
    version: envelopeVersion,
    timestamp,
    headers: { retry_count: 0, source_service: sourceService, trace_id: undefined },
    payload,
  };
  const flat =
    `"event_type":"${type}","rule_id":${idJson(payload.rule_id)}` +
    `,"rule_ref":${JSON.stringify(payload.rule_ref)},"trigger_ref":${JSON.stringify(payload.trigger_ref)}` +
    `,"trigger_type":${JSON.stringify(payload.trigger_ref)}` +
    `,"trigger_params":${JSON.stringify(payload.trigger_params)},"active":${payload.enabled}`;
  return {
    exchange: eventsExchange,
    routingKey: routingKeys[type],
    messageId: ownId,
    correlationId: ownId,
    type,
    timestampMs: Date.parse(timestamp),
    body: `{${flat},${encodeEnvelope(envelope).slice(1)}`,
  };
}

function isRuleChangeType(type: string): type is RuleChangeType {
  return type.startsWith("Rule") && Object.hasOwn(routingKeys, type);
}
