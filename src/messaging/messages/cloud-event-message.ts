/**
 * Messages as CloudEvents 1.0, by the AMQP protocol binding
 * (https://github.com/cloudevents/spec/blob/main/cloudevents/bindings/amqp-protocol-binding.md), for consumers that speak
 * CloudEvents. docs/decisions/0019-messages-as-cloudevents.md explains the names.
 *
 * The data is an envelope's payload, and the id its message id, so that a message repeated in another format is recognised.
 */
import type { OutgoingMessage } from "../message-transport.ts";

export type MessageFormat = "envelope" | "cloudevents_structured" | "cloudevents_binary";

export interface CloudEventMessage {
  readonly message: Omit<OutgoingMessage, "body" | "headers" | "contentType"> & {
    readonly headers: Readonly<Record<string, string>>;
  };
  readonly installationId: string;
  /** RFC 3339. */
  readonly time: string;
  readonly subject: string;
  /** JSON. */
  readonly payload: string;
}

export function asCloudEvent(
  event: CloudEventMessage,
  format: Exclude<MessageFormat, "envelope">,
): OutgoingMessage {
  const { message, payload } = event;
  const attributes = attributesOf(event);
  switch (format) {
    case "cloudevents_structured": {
      const known = JSON.stringify(Object.fromEntries(attributes)).slice(0, -1);
      const body = `${known},"datacontenttype":"application/json","data":${payload}}`;
      return { ...message, contentType: "application/cloudevents+json; charset=utf-8", body };
    }
    case "cloudevents_binary": {
      const prefixed = attributes.map(([name, value]) => [`cloudEvents_${name}`, value] as const);
      return { ...message, headers: { ...message.headers, ...Object.fromEntries(prefixed) }, body: payload };
    }
  }
}

function attributesOf({
  message: { messageId, correlationId, routingKey, headers },
  installationId,
  time,
  subject,
}: CloudEventMessage): readonly (readonly [string, string])[] {
  return [
    ["specversion", "1.0"],
    ["id", messageId],
    ["source", `urn:uuid:${installationId}`],
    ["type", `attune.${routingKey}`],
    ["time", time],
    ["subject", subject],
    ["correlationid", correlationId],
    ...extensionsOf(headers),
  ];
}

/** What may be routed by: the headers, which do not travel beyond the broker. Names of attributes have letters and digits only. */
function extensionsOf(headers: Readonly<Record<string, string>>): readonly (readonly [string, string])[] {
  return Object.entries(headers)
    .filter(([name]) => name !== "installation_id") // It is the source.
    .map(([name, value]) => [name.replaceAll("_", ""), value] as const);
}
