import { expect, test } from "vitest";
import { decodeMessage } from "../../../src/messaging/messages/envelope.ts";
import { ruleChanged } from "../../../src/messaging/messages/rule-message.ts";

const installationId = "0f8fad5b-d9cb-469f-a165-70867728950e";
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
    timestampMs: Date.UTC(2026, 10, 21, 9, 30, 0, 250),
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
  expect(decodeMessage(message.body)).toMatchObject({
    ok: true,
    envelope: { payload: { rule_id: "45", enabled: true } },
  });
});

// The oldest sensors start every rule that a message says was created or updated, even a disabled one.
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
