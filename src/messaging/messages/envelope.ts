/**
 * The envelope that every message of the platform travels in.
 *
 * Bodies are decoded leniently where a newer publisher may say more (unknown fields, a higher minor
 * version) and strictly where a consumer would act on a guess.
 */
import { isJsonObject, type JsonObject, type JsonValue } from "../../model/json/json.ts";
import { parseJson } from "../../model/json/json-text.ts";
import {
  count,
  fields,
  id,
  instant,
  optional,
  ShapeProblem,
  text,
  type ValueOf,
  type Shape,
} from "./json-shape.ts";
import { payloadShapes, type MessageType, type PayloadOf } from "./payload-shapes.ts";

export const envelopeVersion = "1.0";
/** Who says it, in headers.source_service and the AMQP property app_id. */
export const sourceService = "attune-sensor-agent";

const headerShape = fields({
  retry_count: count,
  source_service: text,
  trace_id: optional(text),
  traceparent: optional(text),
  tracestate: optional(text),
  replayed_from: optional(id),
});

const envelopeShape = fields({
  message_id: text,
  correlation_id: text,
  message_type: text,
  version: text,
  timestamp: instant,
  headers: headerShape,
});

/** What every message says beside its payload, by the names on the wire. */
type EnvelopeFields = Omit<ValueOf<typeof envelopeShape>, "message_type">;

/** One message type's envelope; of several types, one of theirs, told apart by message_type. */
export type EnvelopeOf<T extends MessageType> = T extends MessageType
  ? EnvelopeFields & { readonly message_type: T; readonly payload: PayloadOf<T> }
  : never;

export type Envelope = EnvelopeOf<MessageType>;

export type DecodedMessage =
  | { readonly ok: true; readonly envelope: Envelope }
  /** A sentence for people, with the path of the field: "payload.event_id: expected an id, found nothing". */
  | { readonly ok: false; readonly problem: string };

export function encodeEnvelope(envelope: Envelope): string {
  return JSON.stringify(envelopeJson(envelope));
}

function envelopeJson(envelope: Envelope): JsonObject {
  const shape: Shape<unknown> = payloadShapes[envelope.message_type];
  const payload = shape.encode(envelope.payload) ?? null;
  const outer = envelopeShape.encode(envelope);
  return isJsonObject(outer) ? { ...outer, payload } : { payload };
}

export function decodeMessage(body: Buffer | string): DecodedMessage {
  let json: JsonValue;
  try {
    json = parseJson(body.toString());
  } catch (error) {
    return { ok: false, problem: `the body is not JSON: ${String(error)}` };
  }
  try {
    return { ok: true, envelope: decodeEnvelope(json) };
  } catch (error) {
    if (error instanceof ShapeProblem) return { ok: false, problem: error.message };
    throw error;
  }
}

function decodeEnvelope(json: JsonValue): Envelope {
  const outer = envelopeShape.decode(json, "body");
  const { message_type, version } = outer;
  if (!/^1\.\d+$/.test(version)) {
    throw new ShapeProblem(`body.version: expected 1.x, found ${JSON.stringify(version)}`);
  }
  if (!isMessageType(message_type)) {
    throw new ShapeProblem(`body.message_type: no such message type: ${JSON.stringify(message_type)}`);
  }
  const shape: Shape<unknown> = payloadShapes[message_type];
  const payload = shape.decode(isJsonObject(json) ? json["payload"] : undefined, "body.payload");
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- message_type chose the payload's shape
  return { ...outer, payload } as Envelope;
}

function isMessageType(type: string): type is MessageType {
  return Object.hasOwn(payloadShapes, type);
}
