/** The messages about changes of rules. */
import type { JsonObject } from "../../model/json/json.ts";
import type { OutgoingMessage } from "../message-transport.ts";
import { encodeEnvelope, envelopeVersion, sourceService, type Envelope } from "./envelope.ts";
import { fields, idJson, instant, text } from "./json-shape.ts";
import { messageHeaders } from "./message-headers.ts";
import { routingKeys, type PublishedType } from "./message-types.ts";
import { payloadShapes } from "./payload-shapes.ts";

type RuleChangeType = Exclude<PublishedType, "EventCreated" | "EnforcementCreated">;

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
 * The oldest of these sensors start a rule that was created or updated, whether it is enabled or not. They ignore a
 * message without `event_type`, so one about a rule that must not run has none.
 *
 * @param owed the outbox row's body as the database function tell_sensors wrote it
 * @throws when the body has another shape: function and code disagree
 */
export function ruleChanged(installationId: string, ownId: string, owed: JsonObject): OutgoingMessage {
  const { message_type: type, timestamp, payload } = owedRuleMessage.decode(owed, "outbox.body");
  if (!isRuleChangeType(type)) throw new Error(`outbox.body.message_type: ${type} is no rule message`);
  const envelope: Envelope = {
    message_id: ownId,
    correlation_id: ownId,
    message_type: type,
    version: envelopeVersion,
    timestamp,
    headers: {
      retry_count: 0,
      source_service: sourceService,
      trace_id: undefined,
      traceparent: undefined,
      tracestate: undefined,
      replayed_from: undefined,
    },
    payload,
  };
  const mustNotStart = !payload.enabled && (type === "RuleCreated" || type === "RuleUpdated");
  const flat =
    (mustNotStart ? "" : `"event_type":"${type}",`) +
    `"rule_id":${idJson(payload.rule_id)}` +
    `,"rule_ref":${JSON.stringify(payload.rule_ref)},"trigger_ref":${JSON.stringify(payload.trigger_ref)}` +
    `,"trigger_type":${JSON.stringify(payload.trigger_ref)}` +
    `,"trigger_params":${JSON.stringify(payload.trigger_params)},"active":${payload.enabled},"enabled":${payload.enabled}`;
  return {
    routingKey: routingKeys[type],
    messageId: ownId,
    correlationId: ownId,
    type,
    timestampMs: Date.parse(timestamp),
    headers: messageHeaders({ installationId, triggerRef: payload.trigger_ref, ruleRef: payload.rule_ref }),
    body: `{${flat},${encodeEnvelope(envelope).slice(1)}`,
  };
}

function isRuleChangeType(type: string): type is RuleChangeType {
  return type.startsWith("Rule") && Object.hasOwn(routingKeys, type);
}
