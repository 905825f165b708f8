import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeMessage, type Envelope } from "../../../src/messaging/messages/envelope.ts";
import { enforcementCreated, eventCreated } from "../../../src/messaging/messages/message-types.ts";
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
