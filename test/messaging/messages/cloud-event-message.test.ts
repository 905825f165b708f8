/** What a message says does not depend on its format. */
import { HTTP, type CloudEventV1 } from "cloudevents";
import { expect, test } from "vitest";
import { decodeMessage } from "../../../src/messaging/messages/envelope.ts";
import type { MessageFormat } from "../../../src/messaging/messages/cloud-event-message.ts";
import { enforcementCreated, eventCreated } from "../../../src/messaging/messages/message-types.ts";
import type { OutgoingMessage } from "../../../src/messaging/message-transport.ts";
import { messageId } from "../../../src/model/identifiers.ts";

const installationId = "0f8fad5b-d9cb-469f-a165-70867728950e";
const about = {
  installationId,
  eventId: "17",
  triggerRef: "core.file_line",
  payloadJson: `{"line": "hello \\u0000 \\"ä\\"", "n": 12345678901234567890.10}`,
  configJson: `{"path":"/var/log/x"}`,
  timestampMs: Date.UTC(2026, 10, 21, 9, 30, 0, 250),
  trace: { traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", tracestate: `a=", 1` },
  replayedFrom: "9007199254740993",
};
const event = (format?: MessageFormat) =>
  eventCreated({ ...about, triggerId: "3", sensorId: "5", sensorRef: "core.tail" }, format);
const enforcement = (format?: MessageFormat) =>
  enforcementCreated(
    {
      ...about,
      enforcementId: "23",
      ruleId: "7",
      ruleRef: "ops.page",
      actionId: null,
      actionRef: "ops.call",
    },
    format,
  );

test.each([
  ["an event", event, { subject: "core.file_line", packref: "core" }],
  [
    "an enforcement",
    enforcement,
    { subject: "ops.page", ruleref: "ops.page", actionref: "ops.call", packref: "ops" },
  ],
] as const)("%s has the same id and payload in every format", (_name, make, attributes) => {
  const envelope = make();
  const decoded = decodeMessage(envelope.body);
  if (!decoded.ok) throw new Error(decoded.problem);
  const { payload } = JSON.parse(String(envelope.body)) as { payload: unknown };

  for (const format of ["cloudevents_structured", "cloudevents_binary"] as const) {
    const message = make(format);

    expect(message).toMatchObject({
      routingKey: envelope.routingKey,
      type: envelope.type,
      messageId: envelope.messageId,
      correlationId: envelope.correlationId,
      timestampMs: envelope.timestampMs,
      headers: envelope.headers,
    });
    expect(message.body).toContain(about.payloadJson);
    expect(cloudEventOf(message)).toMatchObject({
      specversion: "1.0",
      id: envelope.messageId,
      source: `urn:uuid:${installationId}`,
      type: `attune.${envelope.routingKey}`,
      time: "2026-11-21T09:30:00.250Z",
      datacontenttype: "application/json",
      correlationid: messageId(installationId, "event", "17"),
      triggerref: "core.file_line",
      ...about.trace,
      replayedfrom: about.replayedFrom,
      ...attributes,
      data: payload,
    });
  }
});

test("an envelope is what it is without a format, and is not told to be anything else", () => {
  expect(event("envelope")).toEqual(event());
  expect(event()).not.toHaveProperty("contentType");
});

function cloudEventOf({ body, headers = {}, contentType = "application/json" }: OutgoingMessage) {
  const attributes = Object.entries(headers).map(([name, value]) => [
    name.replace("cloudEvents_", "ce-"),
    value,
  ]);
  const read = HTTP.toEvent({
    headers: { "content-type": contentType, ...Object.fromEntries(attributes) },
    body: String(body),
  });
  return (read as CloudEventV1<unknown> & { toJSON(): unknown }).toJSON();
}
