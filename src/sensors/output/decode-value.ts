/**
 * Decodes one JSON object that a sensor printed; docs/sensors.md is the reference for authors.
 *
 * An object is an envelope if it has only keys of an envelope, and not those of a trace alone. Any other object is the payload itself, except for
 * `trigger_ref` and `trigger_instance_id`. So no key is ever dropped: an unrelated object that happens to have a
 * `payload` keeps its other keys.
 *
 * An envelope without `payload` is an event with an empty payload, except that an envelope with only a checkpoint moves
 * the checkpoint and is not an event. In an envelope null means absent, except for `payload`.
 *
 * An object that cannot be an event is a rejection with a reason, never an exception. The rejection keeps the
 * checkpoint, so that a sensor which skips bad input does not return to it forever.
 */
import { dedupKeyProblem } from "../../model/sensors/dedup-key.ts";
import { instantText } from "../../model/texts/instants.ts";
import { traceContext } from "../../model/trace-context.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../../model/json/json.ts";
import {
  rejected,
  type DecodedOutput,
  type DecodedEvent,
  type Remark,
  type ServedTriggers,
} from "./decoded-output.ts";

const envelopeKeys: ReadonlySet<string> = new Set([
  "payload",
  "checkpoint",
  "trigger_ref",
  "trigger_instance_id",
  "dedup_key",
  "occurred_at",
]);

/** They go with the others, but make no envelope by themselves. */
const traceKeys: ReadonlySet<string> = new Set(["traceparent", "tracestate"]);

/** @param text the object as it was printed, to quote it */
export function decodeValue(value: JsonObject, served: ServedTriggers, text: string): DecodedOutput {
  const hasEnvelope = isEnvelope(value);
  const checkpoint = hasEnvelope ? (value["checkpoint"] ?? undefined) : undefined;

  const triggerRef = value["trigger_ref"] ?? served.main;
  if (typeof triggerRef !== "string") return rejected("trigger_ref is not text", text, checkpoint);
  if (!served.all.has(triggerRef)) {
    const reason = `the sensor does not serve the trigger ${triggerRef}; it serves ${namesOf(served.all)}`;
    return rejected(reason, text, checkpoint);
  }
  const triggerInstanceId = value["trigger_instance_id"] ?? null;
  if (triggerInstanceId !== null && typeof triggerInstanceId !== "string") {
    return rejected("trigger_instance_id is not text", text, checkpoint);
  }

  if (!hasEnvelope) {
    const { trigger_ref: _trigger, trigger_instance_id: _instance, ...payload } = value;
    const event = { triggerRef, payload, triggerInstanceId, dedupKey: null, occurredAt: null, checkpoint };
    return { kind: "event", event, remarks: remarksOnBare(payload) };
  }

  const dedupKey = value["dedup_key"] ?? null;
  if (dedupKey !== null) {
    if (typeof dedupKey !== "string") return rejected("dedup_key is not text", text, checkpoint);
    const problem = dedupKeyProblem(dedupKey);
    if (problem !== undefined) return rejected(problem, text, checkpoint);
  }
  const time = value["occurred_at"] ?? null;
  const occurredAt = typeof time === "string" ? (instantText(time) ?? null) : null;

  const { payload } = value;
  if (payload === undefined && dedupKey === null && time === null && triggerInstanceId === null) {
    const hasOnlyCheckpoint = "checkpoint" in value && (value["trigger_ref"] ?? null) === null;
    if (hasOnlyCheckpoint) return checkpoint === undefined ? nothing : { kind: "checkpoint", checkpoint };
  }
  const event = {
    triggerRef,
    payload: isJsonObject(payload) ? payload : payload === undefined ? {} : { value: payload },
    triggerInstanceId,
    dedupKey,
    occurredAt,
    checkpoint,
    trace: traceContext(value["traceparent"], value["tracestate"]),
  };
  return { kind: "event", event, remarks: remarksOnEnvelope(event, payload, time) };
}

export function isEnvelope(value: JsonObject): boolean {
  let hasTrace = false;
  let hasOther = false;
  for (const key in value) {
    if (envelopeKeys.has(key)) hasOther = true;
    else if (traceKeys.has(key)) hasTrace = true;
    else return false;
  }
  return hasOther || !hasTrace;
}

const nothing: DecodedOutput = { kind: "nothing" };
const noRemarks: readonly Remark[] = [];

/** Of an envelope, and probably not of a payload: the first that is there is named. */
const tellingKeys = ["checkpoint", "payload", "dedup_key", "occurred_at"] as const;
const shownLength = 60;
const shownTriggers = 5;

function namesOf(refs: ReadonlySet<string>): string {
  const names = [...refs];
  const rest = names.length > shownTriggers ? `, and ${names.length - shownTriggers} more` : "";
  return names.slice(0, shownTriggers).join(", ") + rest;
}

const emptyPayload: readonly Remark[] = [
  {
    topic: "payload",
    text: "it has keys of an envelope alone and no payload, so its event has an empty payload",
  },
];

const nestedEnvelope: readonly Remark[] = [
  { topic: "payload", text: "its payload looks like an envelope, too, and is stored as it is" },
];

/** For a payload that its author may have meant as an envelope. */
function remarksOnBare(payload: JsonObject): readonly Remark[] {
  const telling = tellingKeys.find((key) => payload[key] !== undefined);
  if (telling === undefined) return noRemarks;
  const foreign = Object.keys(payload).find((key) => !envelopeKeys.has(key) && !traceKeys.has(key)) ?? "";
  return [
    {
      topic: "envelope",
      text: `it has "${telling}" beside keys that no envelope has, such as ${shown(foreign)}, so all of it is the payload`,
    },
  ];
}

function shown(value: JsonValue): string {
  const text = JSON.stringify(value);
  return text.length > shownLength ? `${text.slice(0, shownLength)}…` : text;
}

function remarksOnEnvelope(
  { payload, dedupKey, occurredAt }: DecodedEvent,
  printed: JsonValue | undefined,
  time: JsonValue,
): readonly Remark[] {
  const onTime = time === null || occurredAt !== null ? noRemarks : [unusableTime(time)];
  const isEmpty = printed === undefined && (dedupKey !== null || time !== null);
  const isNested = payload["payload"] !== undefined && isEnvelope(payload);
  if (!isEmpty && !isNested) return onTime;
  return [...onTime, ...(isEmpty ? emptyPayload : nestedEnvelope)];
}

function unusableTime(time: JsonValue): Remark {
  return {
    topic: "occurred_at",
    text: `its occurred_at is left out, since ${shown(time)} is not a time like "2026-01-31T12:00:00Z"`,
  };
}
