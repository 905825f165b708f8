/**
 * `POST /events`: one event or up to 1,000, answered once they are stored or certain not to be.
 *
 * The body is decoded by event-post.ts, which names what is wrong better than a schema can; the schema here describes it.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { Type } from "typebox";
import type { Caller } from "../../model/identity/caller.ts";
import { isJsonArray, isJsonObject, type JsonValue } from "../../model/json/json.ts";
import { traceContext, type TraceContext } from "../../model/trace-context.ts";
import type { Clock } from "../../time/clock.ts";
import { orNull } from "../answers.ts";
import { RequestError } from "../errors.ts";
import { decodePost } from "../event-post.ts";
import { readTextBodies, type TextBody } from "../json-body.ts";
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
  type PostsAnswer,
  type PostStore,
} from "../store-posts.ts";
import { UnansweredPosts } from "../unanswered-posts.ts";
import { Text } from "../validation.ts";

export interface EventPostPorts {
  readonly posts: PostStore;
  readonly clock: Clock;
}

const optional = <Schema extends Parameters<typeof orNull>[0]>(schema: Schema) =>
  Type.Optional(orNull(schema));

const PostedEvent = Type.Object({
  trigger_ref: optional(Text("Trigger of the event")),
  trigger_type: optional(Text("Another name of `trigger_ref`")),
  payload: Type.Optional(
    Type.Unknown({ description: "An object; any other value v is stored as {value: v}" }),
  ),
  trigger_instance_id: optional(
    Type.String({ description: "`rule_<id>` or `rule_<ref>`: for that rule only" }),
  ),
  dedup_key: optional(Type.String({ description: "A second event with it is not stored" })),
  occurred_at: optional(Type.String({ format: "date-time" })),
  checkpoint: Type.Optional(
    Type.Unknown({
      description: "Where the sensor resumes; alone in the body, it is stored without an event",
    }),
  ),
  source: optional(Type.String({ description: "Ref of a sensor; read from admins only" })),
  traceparent: optional(
    Type.String({
      description: "Its trace, in the form of W3C Trace Context; else that of the request's header",
    }),
  ),
  tracestate: optional(Type.String({ description: "Goes with `traceparent`" })),
});

const Batch = Type.Array(PostedEvent, { maxItems: postsMax });

const PostedEvents = Type.Union([PostedEvent, Batch, Type.Object({ events: Batch })]);

interface Posted {
  readonly caller: Caller;
  /** The body. */
  readonly text: string;
  /** Of the request. */
  readonly trace: TraceContext | undefined;
}

interface PostRoute {
  readonly Body: TextBody | null;
}

export function addEventPostRoutes(
  scope: FastifyInstance,
  ports: EventPostPorts,
  bodies: RequestBodies,
): void {
  const unanswered = new UnansweredPosts({ bytesOf: answerBytes, clock: ports.clock });
  void scope.register(async (inner) => {
    readTextBodies(inner, bodies);
    inner.post<PostRoute>(
      "/events",
      {
        config: { roles: ["admin", "sensor"] },
        bodyLimit: postBytesMax,
        schema: {
          body: PostedEvents,
          response: postAnswers,
        },
        validatorCompiler: () => () => true,
        // Before the body is read.
        preParsing: async (request, _reply, payload) => {
          demandRoom(ports.posts, request);
          return payload;
        },
      },
      async (request, reply) => sendAnswer(reply, await answered(request, reply)),
    );
  });

  /** The answer, kept for a repetition in case it does not reach its client. */
  async function answered(
    { caller, body, headers }: FastifyRequest<PostRoute>,
    reply: FastifyReply,
  ): Promise<PostsAnswer | RequestError> {
    const { text, value } = body ?? { text: "", value: null };
    const answer = answerOf({ caller, text, trace: requestTrace(headers) }, value);
    unanswered.watch(reply.raw, caller, text, answer);
    return await answer;
  }

  async function answerOf(request: Posted, value: JsonValue): Promise<PostsAnswer | RequestError> {
    const { caller, text, trace } = request;
    const earlier = await unanswered.take(caller, text);
    // What failed the first time is tried again.
    if (earlier !== undefined && !(earlier instanceof RequestError)) return earlier;
    const batch = isJsonArray(value) ? value : isJsonObject(value) ? value["events"] : undefined;
    const posted = { caller, bytes: text.length };
    if (!isJsonArray(batch)) return await storeOne(ports.posts, posted, decodePost(value, caller, trace));
    if (batch.length > postsMax) return tooManyPosts(batch.length);
    const decoded = batch.map((each) => decodePost(each, caller, trace));
    return await storeMany(ports.posts, posted, decoded);
  }
}

function answerBytes(answer: PostsAnswer | RequestError): number {
  return answer instanceof RequestError ? answer.message.length : JSON.stringify(answer.body).length;
}

/** Node joins repeated headers with commas, which makes a `traceparent` invalid and continues a `tracestate`. */
export function requestTrace({
  traceparent,
  tracestate,
}: FastifyRequest["headers"]): TraceContext | undefined {
  if (traceparent === undefined) return undefined;
  const isOne = typeof traceparent === "string" && typeof tracestate !== "object";
  return isOne ? traceContext(traceparent, tracestate) : undefined;
}
