import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeMessage, type Envelope } from "../../../src/messaging/messages/envelope.ts";
import {
  enforcementCreated,
  eventCreated,
  ruleChanged,
} from "../../../src/messaging/messages/message-types.ts";
import type { OutgoingMessage } from "../../../src/messaging/message-transport.ts";
import { ExactNumber } from "../../../src/model/json/exact-number.ts";
import { messageId } from "../../../src/model/identifiers.ts";

const installationId = "0f8fad5b-d9cb-469f-a165-70867728950e";
const timestampMs = Date.UTC(2026, 10, 21, 9, 30, 0, 250);

function decoded({ body }: OutgoingMessage): Envelope {
  const message = decodeMessage(body);
  if (!message.ok) throw new Error(message.problem);
  return message.envelope;
}

test("an event's message says what was stored, and is its own correlation", () => {
  const message = eventCreated({
    installationId,
    eventId: "17",
    triggerId: "3",
    triggerRef: "core.file_line",
    sensorId: "5",
    sensorRef: `odd."ref"`,
    payloadJson: `{"line": "hello", "n": 1.50}`,
    configJson: `{"sensor":{"path":"/var/log/x"}}`,
    timestampMs,
  });

  const id = messageId(installationId, "event", "17");
  expect(message).toMatchObject({
    routingKey: "event.created",
    type: "EventCreated",
    messageId: id,
    correlationId: id,
    timestampMs,
    headers: { installation_id: installationId, trigger_ref: "core.file_line", pack_ref: "core" },
  });
  // The payload's text is carried as it is, not parsed and written again.
  expect(message.body).toContain(`"payload":{"line": "hello", "n": 1.50},"config"`);
  expect(decoded(message)).toEqual({
    message_id: id,
    correlation_id: id,
    message_type: "EventCreated",
    version: "1.0",
    timestamp: "2026-11-21T09:30:00.250Z",
    headers: {
      retry_count: 0,
      source_service: "attune-sensor-agent",
      trace_id: undefined,
      traceparent: undefined,
      tracestate: undefined,
    },
    payload: {
      event_id: "17",
      trigger_id: "3",
      trigger_ref: "core.file_line",
      sensor_id: "5",
      sensor_ref: `odd."ref"`,
      payload: { line: "hello", n: new ExactNumber("1.50") },
      config: { sensor: { path: "/var/log/x" } },
    },
  });
});

test("a system event has no sensor, and a trace is carried", () => {
  const message = eventCreated({
    installationId,
    eventId: "9007199254740993",
    triggerId: null,
    triggerRef: "core.alert",
    sensorId: null,
    sensorRef: null,
    payloadJson: "{}",
    configJson: "null",
    timestampMs,
    trace: { traceparent: `00-${"4bf9".repeat(8)}-00f067aa0ba902b7-01`, tracestate: "a=1" },
  });

  expect(decoded(message)).toMatchObject({
    headers: {
      trace_id: "4bf9".repeat(8),
      traceparent: `00-${"4bf9".repeat(8)}-00f067aa0ba902b7-01`,
      tracestate: "a=1",
    },
    payload: {
      event_id: "9007199254740993",
      trigger_id: null,
      sensor_id: null,
      sensor_ref: null,
      config: null,
    },
  });
});

test("an enforcement's message is correlated with its event's", () => {
  const message = enforcementCreated({
    installationId,
    enforcementId: "90",
    ruleId: "45",
    ruleRef: "github.deploy_on_push",
    actionId: "6",
    actionRef: "deploy.start",
    configJson: `{"branch":"main"}`,
    eventId: "17",
    triggerRef: "github.webhook",
    payloadJson: `{"branch":"main"}`,
    timestampMs,
  });

  expect(message).toMatchObject({
    routingKey: "enforcement.created",
    messageId: messageId(installationId, "enforcement", "90"),
    correlationId: messageId(installationId, "event", "17"),
    headers: {
      installation_id: installationId,
      trigger_ref: "github.webhook",
      rule_ref: "github.deploy_on_push",
      action_ref: "deploy.start",
      pack_ref: "github",
    },
  });
  expect(JSON.parse(String(message.body)).payload).toEqual({
    enforcement_id: 90,
    rule_id: 45,
    rule_ref: "github.deploy_on_push",
    action: 6,
    action_ref: "deploy.start",
    config: { branch: "main" },
    event_id: 17,
    trigger_ref: "github.webhook",
    payload: { branch: "main" },
  });
});

test("the same facts give the same bytes", () => {
  const facts = fc.record({
    installationId: fc.uuid(),
    enforcementId: fc.nat().map(String),
    ruleId: fc.nat().map(String),
    ruleRef: fc.string(),
    actionId: fc.option(fc.nat().map(String)),
    actionRef: fc.option(fc.string()),
    configJson: fc.json(),
    eventId: fc.nat().map(String),
    triggerRef: fc.string(),
    payloadJson: fc.json(),
    timestampMs: fc.nat(),
  });

  fc.assert(
    fc.property(facts, (input) => {
      expect(enforcementCreated({ ...input })).toEqual(enforcementCreated({ ...input }));
      expect(decodeMessage(enforcementCreated(input).body)).toMatchObject({ ok: true });
    }),
  );
});

const owed = {
  message_type: "RuleEnabled",
  timestamp: "2026-11-21T09:30:00.250Z",
  payload: {
    rule_id: 45,
    rule_ref: "core.every_minute",
    trigger_id: 3,
    trigger_ref: "core.intervaltimer",
    trigger_params: { interval: 1, unit: "minutes" },
    enabled: true,
  },
};

test("a rule's message repeats its fields beside the envelope, for sensors that read the flat form", () => {
  const message = ruleChanged(installationId, "0f8fad5b-d9cb-8003-8000-000000000001", owed);

  expect(message).toMatchObject({
    routingKey: "rule.enabled",
    type: "RuleEnabled",
    timestampMs,
    headers: { rule_ref: "core.every_minute", trigger_ref: "core.intervaltimer", pack_ref: "core" },
  });
  expect(JSON.parse(String(message.body))).toEqual({
    event_type: "RuleEnabled",
    rule_id: 45,
    rule_ref: "core.every_minute",
    trigger_ref: "core.intervaltimer",
    trigger_type: "core.intervaltimer",
    trigger_params: { interval: 1, unit: "minutes" },
    active: true,
    enabled: true,
    message_id: "0f8fad5b-d9cb-8003-8000-000000000001",
    correlation_id: "0f8fad5b-d9cb-8003-8000-000000000001",
    message_type: "RuleEnabled",
    version: "1.0",
    timestamp: "2026-11-21T09:30:00.250Z",
    headers: { retry_count: 0, source_service: "attune-sensor-agent" },
    payload: owed.payload,
  });
  expect(decoded(message).payload).toMatchObject({ rule_id: "45", enabled: true });
});

// The oldest sensors start a rule that was created or updated, whatever else the message says.
test.each([
  { type: "RuleCreated", enabled: true, flat: "RuleCreated" },
  { type: "RuleCreated", enabled: false, flat: undefined },
  { type: "RuleUpdated", enabled: true, flat: "RuleUpdated" },
  { type: "RuleUpdated", enabled: false, flat: undefined },
  { type: "RuleDisabled", enabled: false, flat: "RuleDisabled" },
  { type: "RuleDeleted", enabled: false, flat: "RuleDeleted" },
])("the flat form of $type with enabled $enabled has the type $flat", ({ type, enabled, flat }) => {
  const changed = { ...owed, message_type: type, payload: { ...owed.payload, enabled } };

  const { body } = ruleChanged(installationId, "0f8fad5b-d9cb-8003-8000-000000000001", changed);

  const { event_type, message_type, active } = JSON.parse(String(body));
  expect({ event_type, message_type, active }).toEqual({
    event_type: flat,
    message_type: type,
    active: enabled,
  });
});

test("an outbox body of another shape is a fault that names the field", () => {
  expect(() =>
    ruleChanged(installationId, "1", { ...owed, payload: { ...owed.payload, enabled: "yes" } }),
  ).toThrow(/outbox.body.payload.enabled: expected true or false/);
  expect(() => ruleChanged(installationId, "1", { ...owed, message_type: "EventCreated" })).toThrow(
    /no rule message/,
  );
});
