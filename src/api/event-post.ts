/**
 * One event, or one checkpoint alone, as a client posts it; docs/api-events.md is the reference.
 *
 * Clients of other versions send more than is read here, so unknown keys are ignored, and null means absent. A payload that
 * is not an object is stored as `{"value": …}`, as for sensors that print their events.
 */
import type { Caller } from "../model/identity/caller.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../model/json/json.ts";
import { dedupKeyProblem } from "../model/sensors/dedup-key.ts";
import type { EventPost, PostOrigin } from "../model/sensors/posted-event.ts";
import { traceContext, type TraceContext } from "../model/trace-context.ts";
import { instantText } from "../model/texts/instants.ts";
import { invalidParameter, RequestError } from "./errors.ts";

/** PostgreSQL indexes it together with other texts. */
const refLengthMax = 255;

/**
 * Why it is not accepted, or the post.
 *
 * @param trace of the request, for an event that names none itself
 */
export function decodePost(
  value: JsonValue,
  caller: Caller,
  trace: TraceContext | undefined,
): EventPost | RequestError {
  if (!isJsonObject(value)) return invalidParameter("body", "an event is a JSON object");
  const checkpoint = value["checkpoint"] ?? undefined;
  const triggerRef = value["trigger_ref"] ?? value["trigger_type"] ?? null;
  const payload = value["payload"] ?? null;
  const origin = originOf(value, caller);
  if (checkpoint !== undefined && triggerRef === null && payload === null) {
    return { kind: "checkpoint", origin, checkpoint };
  }
  if (typeof triggerRef !== "string" || triggerRef === "") {
    return invalidParameter("trigger_ref", "must be the ref of a trigger");
  }
  if (origin.kind === "sensor" && !origin.grant.triggerRefs.includes(triggerRef)) {
    return new RequestError("FORBIDDEN", `The token is not for events of trigger ${shortened(triggerRef)}.`);
  }
  if (triggerRef.length > refLengthMax || triggerRef.includes("\0")) {
    return invalidParameter("trigger_ref", "no trigger has such a ref");
  }
  const { trigger_instance_id: triggerInstanceId = null, dedup_key: dedupKey = null } = value;
  if (triggerInstanceId !== null && typeof triggerInstanceId !== "string") {
    return invalidParameter("trigger_instance_id", "must be text");
  }
  const keyProblem = problemOfKey(dedupKey);
  if (keyProblem !== undefined) return invalidParameter("dedup_key", keyProblem);
  const occurredAt = instantOf(value["occurred_at"] ?? null);
  if (occurredAt === undefined) {
    return invalidParameter("occurred_at", 'must be a time with an offset, like "2026-01-31T12:00:00Z"');
  }
  return {
    kind: "event",
    origin,
    event: {
      triggerRef,
      payload: payload === null ? {} : isJsonObject(payload) ? payload : { value: payload },
      triggerInstanceId,
      dedupKey: typeof dedupKey === "string" ? dedupKey : null,
      occurredAt,
      checkpoint,
      trace: traceContext(value["traceparent"], value["tracestate"]) ?? trace,
    },
  };
}

/** A sensor's token decides whose event it is, whatever the event says. */
function originOf({ source }: JsonObject, caller: Caller): PostOrigin {
  if (caller.role === "sensor") return { kind: "sensor", grant: caller.grant };
  const isRef = typeof source === "string" && source !== "" && source.length <= refLengthMax;
  return { kind: "person", sensorRef: isRef && !source.includes("\0") ? source : null };
}

function problemOfKey(dedupKey: JsonValue): string | undefined {
  if (dedupKey === null) return undefined;
  return typeof dedupKey === "string" ? dedupKeyProblem(dedupKey) : "must be text";
}

/** Undefined: it is not an instant. */
function instantOf(time: JsonValue): string | null | undefined {
  if (time === null) return null;
  return typeof time === "string" ? instantText(time) : undefined;
}

function shortened(text: string): string {
  return text.length <= refLengthMax ? text : `${text.slice(0, refLengthMax)}…`;
}
