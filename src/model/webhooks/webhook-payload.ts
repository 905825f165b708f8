/** What the event of a webhook's request contains. */
import { isJsonObject, type JsonObject, type JsonValue } from "../json/json.ts";
import type { EndpointSettings } from "./endpoint-settings.ts";
import { isSecretName } from "../texts/secret-name.ts";
import { pairsOf } from "./webhook-body.ts";

export interface ReceivedRequest {
  readonly method: string;
  readonly path: string;
  /** Without the question mark. */
  readonly query: string;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: JsonValue;
  readonly deliveryId: string | null;
  readonly remoteAddress: string;
  readonly receivedAt: string;
}

/** Of an event of `core.webhook`. */
export function rulePayload(request: ReceivedRequest, settings: EndpointSettings): JsonObject {
  const { method, path, query, headers, body, deliveryId, remoteAddress, receivedAt } = request;
  return {
    type: "webhook",
    method,
    path,
    query: visibleQuery(query),
    headers: visibleHeaders(headers, settings),
    body,
    delivery_id: deliveryId,
    remote_address: remoteAddress,
    received_at: receivedAt,
  };
}

/** Of an event of a trigger with a webhook key: the body's `payload`, or the body if it has none. */
export function triggerPayload(body: JsonValue): JsonObject {
  const payload = isJsonObject(body) && Object.hasOwn(body, "payload") ? (body["payload"] ?? null) : body;
  if (payload === null) return {};
  return isJsonObject(payload) ? payload : { value: payload };
}

// They describe the connection, not the message.
const connectionHeaders = new Set([
  "connection",
  "content-length",
  "expect",
  "host",
  "keep-alive",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "via",
  "x-real-ip",
  "forwarded",
]);

function visibleHeaders(
  headers: ReceivedRequest["headers"],
  { scheme, headers: named }: EndpointSettings,
): JsonObject {
  const visible: [string, string][] = [];
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || isSecretName(name) || name === scheme?.header) continue;
    const isWanted =
      named === null
        ? !connectionHeaders.has(name) && !name.startsWith("x-forwarded-")
        : named.includes(name);
    if (isWanted) visible.push([name, value]);
  }
  return Object.fromEntries(visible);
}

function visibleQuery(query: string): JsonObject {
  if (query === "") return {};
  return Object.fromEntries(Object.entries(pairsOf(query)).filter(([name]) => !isSecretName(name)));
}
