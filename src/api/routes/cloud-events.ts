/**
 * `POST /cloudevents`: CloudEvents in binary, structured or batched mode become events of the triggers that take them.
 *
 * Each becomes a post as `POST /events` has them, so everything else is the same: who may post what, limits, outcomes.
 * docs/cloudevents.md is the reference.
 */
import { createHash } from "node:crypto";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { Type } from "typebox";
import { binaryCloudEvent } from "../../model/cloud-events/binary-mode.ts";
import { decodeCloudEvent, type CloudEvent } from "../../model/cloud-events/cloud-event.ts";
import type { TriggerTable } from "../../model/cloud-events/trigger-mapping.ts";
import type { Caller } from "../../model/identity/caller.ts";
import { decodeJson } from "../../model/json/json-text.ts";
import { isJsonArray, type JsonValue } from "../../model/json/json.ts";
import type { EventPost } from "../../model/sensors/posted-event.ts";
import type { TraceContext } from "../../model/trace-context.ts";
import { invalidParameter, RequestError } from "../errors.ts";
import { decodePost } from "../event-post.ts";
import { textOf, unusable } from "../json-body.ts";
import { postAnswers } from "../post-answer.ts";
import type { RequestBodies } from "../request-bodies.ts";
import {
  demandRoom,
  postBytesMax,
  postsMax,
  sendAnswer,
  storeMany,
  storeOne,
  tooManyPosts,
  type PostStore,
} from "../store-posts.ts";
import { requestTrace } from "./event-posts.ts";

export interface CloudEventPorts {
  readonly posts: PostStore;
  /** The triggers that take CloudEvents. */
  readonly triggers: () => Promise<Pick<TriggerTable, "triggerFor">>;
}

interface CloudEventRoute {
  readonly Body: Buffer | null;
}

/** A key of an event has at most 2,000 bytes. */
const plainKeyLengthMax = 500;

export function addCloudEventRoutes(
  scope: FastifyInstance,
  { posts, triggers }: CloudEventPorts,
  bodies: RequestBodies,
): void {
  void scope.register(async (inner) => {
    inner.removeAllContentTypeParsers();
    inner.addContentTypeParser("*", async (request: FastifyRequest) => bodies.read(request));
    inner.post<CloudEventRoute>(
      "/cloudevents",
      {
        config: { roles: ["admin", "sensor"] },
        bodyLimit: postBytesMax,
        schema: {
          body: Type.Unknown({
            description:
              "The data of an event whose attributes are headers `ce-…`; with `application/cloudevents+json` an event, with `application/cloudevents-batch+json` an array of up to 1,000",
          }),
          response: postAnswers,
        },
        validatorCompiler: () => () => true,
        preParsing: async (request, _reply, payload) => {
          demandRoom(posts, request);
          return payload;
        },
      },
      async (request, reply) => {
        const { caller } = request;
        const body = request.body ?? Buffer.alloc(0);
        const posted = { caller, bytes: body.length };
        const received = receivedOf(request, body);
        const trace = requestTrace(request.headers);
        if (received.isBatch && received.values.length > postsMax) throw tooManyPosts(received.values.length);
        const table = await triggers();
        const decoded = received.values.map((value) => postOf(value, table, caller, trace));
        const [one] = decoded;
        return sendAnswer(
          reply,
          received.isBatch || one === undefined
            ? await storeMany(posts, posted, decoded)
            : await storeOne(posts, posted, one),
        );
      },
    );
  });
}

interface Received {
  readonly isBatch: boolean;
  readonly values: readonly JsonValue[];
}

/** @throws RequestError */
function receivedOf({ headers, raw }: FastifyRequest, body: Buffer): Received {
  const contentType = headers["content-type"];
  const [mediaType = ""] = (contentType ?? "").split(";");
  switch (mediaType.trim().toLowerCase()) {
    case "application/cloudevents+json":
    case "application/cloudevents":
      return { isBatch: false, values: [jsonOf(body)] };
    case "application/cloudevents-batch+json":
    case "application/cloudevents-batch": {
      const value = jsonOf(body);
      if (!isJsonArray(value)) throw invalidParameter("body", "a batch of CloudEvents is an array");
      return { isBatch: true, values: value };
    }
    default: {
      if (mediaType.trim().toLowerCase().startsWith("application/cloudevents"))
        throw new RequestError("UNSUPPORTED_MEDIA_TYPE", "CloudEvents are read in their JSON format only.");
      const event = binaryCloudEvent(raw.headersDistinct, contentType, body);
      if (event.kind === "invalid") throw unusable(event.problem);
      return { isBatch: false, values: [event.value] };
    }
  }
}

function jsonOf(body: Buffer): JsonValue {
  const decoded = decodeJson(textOf(body));
  if (decoded.kind === "invalid") throw unusable(decoded.problem);
  return decoded.value;
}

function postOf(
  value: JsonValue,
  table: Pick<TriggerTable, "triggerFor">,
  caller: Caller,
  trace: TraceContext | undefined,
): EventPost | RequestError {
  const decoded = decodeCloudEvent(value);
  if (decoded.kind === "invalid") return invalidParameter("body", decoded.problem);
  const event = decoded.value;
  const triggerRef = table.triggerFor(event.type, event.source);
  if (triggerRef === undefined)
    return invalidParameter("body", "no enabled trigger takes CloudEvents of its type and source");
  const post = {
    trigger_ref: triggerRef,
    payload: event.json,
    dedup_key: dedupKeyOf(event),
    occurred_at: event.time,
    traceparent: event.json["traceparent"] ?? null,
    tracestate: event.json["tracestate"] ?? null,
  };
  return decodePost(post, caller, trace);
}

/** Source and id identify a CloudEvent: section 3.1 of the specification. */
function dedupKeyOf({ source, id }: CloudEvent): string {
  const key = JSON.stringify([source, id]);
  if (key.length <= plainKeyLengthMax) return `cloudevent:${key}`;
  return `cloudevent:sha256:${createHash("sha256").update(key).digest("hex")}`;
}
