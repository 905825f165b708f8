/**
 * What a sensor prints, decoded once into events; docs/sensors.md is its reference for authors.
 *
 * A line is a JSON object in one of two forms:
 * - an envelope, known by a `payload` that is an object, or by having no keys but an envelope's:
 *   `{"payload": …, "trigger_ref"?, "trigger_instance_id"?, "dedup_key"?, "occurred_at"?, "checkpoint"?}`.
 *   Other keys are ignored. A payload that is no object becomes `{"value": payload}`.
 * - anything else is the payload itself, but for `trigger_ref` and `trigger_instance_id` beside it.
 *
 * What cannot be an event is a rejection with a reason, never an exception.
 */
import { isUtf8 } from "node:buffer";
import { isJsonObject, type JsonObject, type JsonValue } from "../model/json.ts";
import { decodeJson } from "../model/json-text.ts";
import type { IncomingEvent } from "../model/incoming-event.ts";
import type { Line } from "../processes/lines.ts";

export type DecodedEvent = Omit<IncomingEvent, "source">;

export interface Rejection {
  /** A clause for people: "the line is not JSON". */
  readonly reason: string;
  /** The line's beginning. */
  readonly excerpt: string;
}

export type Decoded =
  | { readonly kind: "event"; readonly event: DecodedEvent }
  | { readonly kind: "rejected"; readonly rejection: Rejection }
  /** An empty line. */
  | { readonly kind: "nothing" };

export interface ServedTriggers {
  /** Of an event that names no trigger. */
  readonly main: string;
  readonly all: ReadonlySet<string>;
}

const envelopeKeys: ReadonlySet<string> = new Set([
  "trigger_ref",
  "payload",
  "trigger_instance_id",
  "dedup_key",
  "occurred_at",
  "checkpoint",
]);
const excerptLengthMax = 200;
const rfc3339 = /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/;

/** One line of a stream sensor's output. */
export function decodeLine(line: Line, served: ServedTriggers): Decoded {
  if (typeof line !== "string") {
    const reason =
      line.kind === "too-long" ? `the line of ${line.bytes} bytes is too long` : "the line is not UTF-8";
    return { kind: "rejected", rejection: { reason, excerpt: line.excerpt } };
  }
  const text = line.trim();
  if (text === "") return { kind: "nothing" };

  const value = parseJson(text);
  if (value === undefined) return reject("the line is not JSON", text);
  return decodeValue(value, served, text);
}

export interface DecodedPoll {
  readonly events: readonly DecodedEvent[];
  readonly rejections: readonly Rejection[];
}

/**
 * All a poll run printed: one `{"events": [payload or envelope, …], "checkpoint"?}`, however it is
 * laid out, or one JSON object per line. That checkpoint moves with the last of the events.
 */
export function decodePoll(output: Buffer, served: ServedTriggers): DecodedPoll {
  const text = output.toString("utf8").trim();
  if (!isUtf8(output)) return collect([reject("the output is not UTF-8", text)]);
  const whole = parseJson(text);
  if (whole === undefined) return collect(text.split("\n").map((line) => decodePollLine(line, served)));
  return collect(decodePollValue(whole, served, text));
}

function decodePollLine(line: string, served: ServedTriggers): Decoded[] | Decoded {
  const value = parseJson(line);
  return value === undefined ? decodeLine(line, served) : decodePollValue(value, served, line.trim());
}

function decodePollValue(value: JsonValue, served: ServedTriggers, text: string): Decoded[] | Decoded {
  if (!isJsonObject(value) || !Array.isArray(value["events"])) return decodeValue(value, served, text);
  const events: readonly JsonValue[] = value["events"];
  const decoded = events.map((entry) =>
    decodeValue(isJsonObject(entry) ? entry : { payload: entry }, served, JSON.stringify(entry)),
  );
  const checkpoint = value["checkpoint"] ?? undefined;
  const last = decoded.findLastIndex(({ kind }) => kind === "event");
  const lastEvent = decoded[last];
  if (checkpoint !== undefined && lastEvent?.kind === "event" && lastEvent.event.checkpoint === undefined) {
    decoded[last] = { kind: "event", event: { ...lastEvent.event, checkpoint } };
  }
  return decoded;
}

function decodeValue(value: JsonValue, served: ServedTriggers, text: string): Decoded {
  if (!isJsonObject(value)) return reject("the line is not a JSON object", text);

  const triggerRef = value["trigger_ref"] ?? served.main;
  if (typeof triggerRef !== "string") return reject("trigger_ref is not text", text);
  if (!served.all.has(triggerRef)) return reject(`the sensor does not serve the trigger ${triggerRef}`, text);
  const triggerInstanceId = value["trigger_instance_id"] ?? null;
  if (triggerInstanceId !== null && typeof triggerInstanceId !== "string") {
    return reject("trigger_instance_id is not text", text);
  }
  const addressed = { triggerRef, triggerInstanceId };

  const { payload } = value;
  const isEnvelope = isJsonObject(payload) || (payload !== undefined && hasOnlyEnvelopeKeys(value));
  if (!isEnvelope) {
    const { trigger_ref: _trigger, trigger_instance_id: _instance, ...rest } = value;
    const event = { ...addressed, payload: rest, dedupKey: null, occurredAt: null, checkpoint: undefined };
    return { kind: "event", event };
  }

  const dedupKey = value["dedup_key"] ?? null;
  if (dedupKey !== null && typeof dedupKey !== "string") return reject("dedup_key is not text", text);
  const occurredAt = instantOf(value["occurred_at"] ?? null);
  if (occurredAt === undefined) return reject("occurred_at is not a time like 2026-01-31T12:00:00Z", text);
  const checkpoint = value["checkpoint"] ?? undefined; // null, like leaving it out: it stays where it was.
  const event = {
    ...addressed,
    payload: isJsonObject(payload) ? payload : { value: payload ?? null },
    dedupKey,
    occurredAt,
    checkpoint,
  };
  return { kind: "event", event };
}

function hasOnlyEnvelopeKeys(value: JsonObject): boolean {
  return Object.keys(value).every((key) => envelopeKeys.has(key));
}

/** RFC 3339; undefined when it is something else. */
function instantOf(value: JsonValue): Date | null | undefined {
  if (value === null) return null;
  if (typeof value !== "string" || !rfc3339.test(value)) return undefined;
  const instant = new Date(value);
  return Number.isNaN(instant.getTime()) ? undefined : instant;
}

function parseJson(text: string): JsonValue | undefined {
  const decoded = decodeJson(text);
  return decoded.kind === "valid" ? decoded.value : undefined;
}

function reject(reason: string, text: string): Decoded {
  return { kind: "rejected", rejection: { reason, excerpt: text.slice(0, excerptLengthMax) } };
}

function collect(decoded: readonly (Decoded | readonly Decoded[])[] | Decoded): DecodedPoll {
  const events: DecodedEvent[] = [];
  const rejections: Rejection[] = [];
  for (const entry of [decoded].flat(2)) {
    if (entry.kind === "event") events.push(entry.event);
    if (entry.kind === "rejected") rejections.push(entry.rejection);
  }
  return { events, rejections };
}
