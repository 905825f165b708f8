/** What a sender is answered whose request was accepted. */
import { idNumber, type Id } from "../model/identifiers.ts";
import type { JsonObject } from "../model/json/json.ts";
import type { Endpoint } from "../model/webhooks/endpoint-table.ts";

export interface WebhookAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: WebhookBody;
}

type WebhookBody =
  | { readonly kind: "json"; readonly value: JsonObject }
  | { readonly kind: "text"; readonly text: string; readonly contentType: string };

/** What became of an accepted request. */
export interface Stored {
  readonly eventIds: readonly Id[];
  readonly isDuplicate: boolean;
}

/** Of a request that was stored; a repeated one is answered with the first one's event. */
export function answerOf(
  { receivedAtMs, deliveryId }: { readonly receivedAtMs: number; readonly deliveryId: string | null },
  { triggerRef, settings }: Endpoint,
  { eventIds, isDuplicate }: Stored,
): WebhookAnswer {
  const [eventId = "0"] = eventIds;
  const headers = {
    "x-event-id": eventId,
    ...(isDuplicate ? { "x-deduplicated": "true" } : {}),
  };
  const { reply } = settings;
  if (reply !== null && reply.body !== null)
    return {
      status: reply.status,
      headers,
      body: { kind: "text", text: reply.body, contentType: reply.contentType },
    };
  const data: JsonObject = {
    event_id: idNumber(eventId),
    trigger_ref: triggerRef,
    received_at: new Date(receivedAtMs).toISOString(),
    message: isDuplicate ? "This delivery was stored before; the event is the first one's." : "Event stored.",
    ...(deliveryId === null ? {} : { delivery_id: deliveryId }),
    ...(isDuplicate ? { deduplicated: true } : {}),
    ...(eventIds.length > 1 ? { event_ids: eventIds.map(idNumber) } : {}),
  };
  return { status: reply?.status ?? 200, headers, body: { kind: "json", value: { data } } };
}

/** Text alone, as a challenge is answered. */
export function plain(text: string): WebhookAnswer {
  return { status: 200, headers: {}, body: { kind: "text", text, contentType: "text/plain; charset=utf-8" } };
}
