/**
 * The messages about events and enforcements, ready to send.
 *
 * They are the hot path: their bodies are assembled from existing JSON texts, so that a payload is
 * serialised only once, for the database. A message depends only on its committed row; publishing it again gives the same
 * bytes under the same id.
 */
import { traceIdOf, type TraceContext } from "../../model/trace-context.ts";
import { messageId, type Id } from "../../model/identifiers.ts";
import { asCloudEvent, type MessageFormat } from "./cloud-event-message.ts";
import { envelopeVersion, sourceService } from "./envelope.ts";
import { idJson } from "./json-shape.ts";
import { enforcementHeaders, eventHeaders } from "./message-headers.ts";
import type { OutgoingMessage } from "../message-transport.ts";

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

export interface EventCreatedInput {
  readonly installationId: string;
  /** The message's id, if the caller has made it already. */
  readonly messageId?: string;
  readonly eventId: Id;
  readonly triggerId: Id | null;
  readonly triggerRef: string;
  readonly sensorId: Id | null;
  readonly sensorRef: string | null;
  readonly payloadJson: string;
  readonly configJson: string;
  /** The row's created time. */
  readonly timestampMs: number;
  /** Of the event. */
  readonly trace?: TraceContext | undefined;
  /** The event that a replay repeated; null or left out if there was none. */
  readonly replayedFrom?: Id | null;
}

export function eventCreated(event: EventCreatedInput, format: MessageFormat = "envelope"): OutgoingMessage {
  const { installationId, triggerRef } = event;
  const ownId = event.messageId ?? messageId(installationId, "event", event.eventId);
  const payload =
    `{"event_id":${idJson(event.eventId)},"trigger_id":${idOrNull(event.triggerId)}` +
    `,"trigger_ref":${JSON.stringify(triggerRef)},"sensor_id":${idOrNull(event.sensorId)}` +
    `,"sensor_ref":${JSON.stringify(event.sensorRef)}` +
    `,"payload":${event.payloadJson},"config":${event.configJson}}`;
  const headers = eventHeaders(installationId, triggerRef);
  const about = { subject: triggerRef, correlationId: ownId, headers };
  return assemble("EventCreated", ownId, event, about, payload, format);
}

export interface EnforcementCreatedInput {
  readonly installationId: string;
  /** As an event's. */
  readonly messageId?: string;
  /** The id of the event's message, likewise. */
  readonly eventMessageId?: string;
  readonly enforcementId: Id;
  /** Null: the row names none any more. */
  readonly ruleId: Id | null;
  readonly ruleRef: string;
  readonly actionId: Id | null;
  /** Null: the enforcement was stored before it was recorded, and its rule is gone. */
  readonly actionRef: string | null;
  /** The rule's action_params, rendered for the event. */
  readonly configJson: string;
  readonly eventId: Id;
  readonly triggerRef: string;
  readonly payloadJson: string;
  /** The row's created time. */
  readonly timestampMs: number;
  /** Of the event. */
  readonly trace?: TraceContext | undefined;
  /** The event that a replay repeated; null or left out if there was none. */
  readonly replayedFrom?: Id | null;
}

/** Correlated with its event: the correlation id is the event's message id. */
export function enforcementCreated(
  enforcement: EnforcementCreatedInput,
  format: MessageFormat = "envelope",
): OutgoingMessage {
  const { installationId, ruleId, ruleRef, actionId, actionRef, triggerRef } = enforcement;
  const {
    messageId: ownId = messageId(installationId, "enforcement", enforcement.enforcementId),
    eventMessageId = messageId(installationId, "event", enforcement.eventId),
  } = enforcement;
  const payload =
    `{"enforcement_id":${idJson(enforcement.enforcementId)},"rule_id":${idOrNull(ruleId)}` +
    `,"rule_ref":${JSON.stringify(ruleRef)},"action":${idOrNull(actionId)}` +
    `,"action_ref":${JSON.stringify(actionRef)},"config":${enforcement.configJson}` +
    `,"event_id":${idJson(enforcement.eventId)},"trigger_ref":${JSON.stringify(triggerRef)}` +
    `,"payload":${enforcement.payloadJson}}`;
  const headers = enforcementHeaders({ installationId, triggerRef, ruleRef, actionRef });
  const about = { subject: ruleRef, correlationId: eventMessageId, headers };
  return assemble("EnforcementCreated", ownId, enforcement, about, payload, format);
}

interface MessageSubject {
  readonly subject: string;
  readonly correlationId: string;
  readonly headers: Readonly<Record<string, string>>;
}

function assemble(
  type: "EventCreated" | "EnforcementCreated",
  ownId: string,
  {
    installationId,
    timestampMs,
    trace,
    replayedFrom = null,
  }: Pick<EventCreatedInput, "installationId" | "timestampMs" | "trace" | "replayedFrom">,
  { subject, correlationId, headers: usualHeaders }: MessageSubject,
  payload: string,
  format: MessageFormat,
): OutgoingMessage {
  const headers =
    trace === undefined && replayedFrom === null ? usualHeaders : extended(usualHeaders, trace, replayedFrom);
  const routingKey = routingKeys[type];
  if (format !== "envelope") {
    const message = { routingKey, messageId: ownId, correlationId, type, timestampMs, headers };
    return asCloudEvent(
      { message, installationId, time: isoTimestamp(timestampMs), subject, payload },
      format,
    );
  }
  const traceFields = trace === undefined ? "" : traceFieldsOf(trace);
  const replay = replayedFrom === null ? "" : `,"replayed_from":${idJson(replayedFrom)}`;
  const body =
    `{"message_id":"${ownId}","correlation_id":"${correlationId}","message_type":"${type}"` +
    `,"version":"${envelopeVersion}","timestamp":"${isoTimestamp(timestampMs)}"` +
    `,"headers":{"retry_count":0,"source_service":"${sourceService}"${traceFields}${replay}},"payload":${payload}}`;
  return { routingKey, messageId: ownId, correlationId, type, timestampMs, headers, body };
}

function traceFieldsOf(trace: TraceContext): string {
  const { traceparent, tracestate } = trace;
  const state = tracestate === null ? "" : `,"tracestate":${JSON.stringify(tracestate)}`;
  return `,"trace_id":"${traceIdOf(trace)}","traceparent":"${traceparent}"${state}`;
}

/** The names of the W3C's binding for AMQP. */
function traceHeaders({ traceparent, tracestate }: TraceContext): Readonly<Record<string, string>> {
  return tracestate === null ? { traceparent } : { traceparent, tracestate };
}

function extended(
  headers: Readonly<Record<string, string>>,
  trace: TraceContext | undefined,
  replayedFrom: Id | null,
): Readonly<Record<string, string>> {
  return {
    ...headers,
    ...(trace === undefined ? {} : traceHeaders(trace)),
    ...(replayedFrom === null ? {} : { replayed_from: replayedFrom }),
  };
}

/** The last one: all messages of a batch have the same time. */
let lastTimestamp = { ms: 0, text: new Date(0).toISOString() };

function isoTimestamp(ms: number): string {
  if (lastTimestamp.ms !== ms) lastTimestamp = { ms, text: new Date(ms).toISOString() };
  return lastTimestamp.text;
}

function idOrNull(id: Id | null): string {
  return id === null ? "null" : idJson(id);
}
