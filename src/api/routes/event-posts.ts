/**
 * `POST /events`: one event or up to 1,000, answered once they are stored or certain not to be.
 *
 * The body is decoded by event-post.ts, which names what is wrong better than a schema can; the schema here describes it.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { Type } from "typebox";
import type { Caller } from "../../model/identity/caller.ts";
import { isJsonArray, isJsonObject, type JsonValue } from "../../model/json/json.ts";
import type { EventPost, PostOutcome, PostRequest } from "../../model/sensors/posted-event.ts";
import { traceContext, type TraceContext } from "../../model/trace-context.ts";
import type { Clock } from "../../time/clock.ts";
import { orNull } from "../answers.ts";
import { RequestError, retryAfterSeconds } from "../errors.ts";
import { decodePost } from "../event-post.ts";
import { readTextBodies, type TextBody } from "../json-body.ts";
import { BatchItemAnswer, batchAnswer, PostAnswer, postAnswer } from "../post-answer.ts";
import { UnansweredPosts } from "../unanswered-posts.ts";
import { Text } from "../validation.ts";

export interface EventPostPorts {
  readonly posts: {
    /** Whether a request of that many bytes would find room. */
    hasRoom(caller: string, bytes: number): boolean;
    /** What became of each post, in their order, within a limit of time. */
    store(request: PostRequest): Promise<readonly PostOutcome[]>;
  };
  readonly clock: Clock;
}

const eventsMax = 1_000;
const bodyBytesMax = 4_194_304;

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

const Batch = Type.Array(PostedEvent, { maxItems: eventsMax });

const PostedEvents = Type.Union([PostedEvent, Batch, Type.Object({ events: Batch })]);

interface Answer {
  readonly status: number;
  readonly body: object;
}

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

export function addEventPostRoutes(scope: FastifyInstance, ports: EventPostPorts): void {
  const unanswered = new UnansweredPosts<Answer | RequestError>(ports.clock);
  void scope.register(async (inner) => {
    readTextBodies(inner);
    inner.post<PostRoute>(
      "/events",
      {
        config: { roles: ["admin", "sensor"] },
        bodyLimit: bodyBytesMax,
        schema: {
          body: PostedEvents,
          response: {
            201: Type.Object({ data: Type.Union([PostAnswer, Type.Array(BatchItemAnswer)]) }),
            200: Type.Object({ data: Type.Union([PostAnswer, Type.Array(BatchItemAnswer)]) }),
            207: Type.Object({ data: Type.Array(BatchItemAnswer) }),
          },
        },
        validatorCompiler: () => () => true,
        // Before the body is read.
        preParsing: async ({ caller, headers }, _reply, payload) => {
          if (!ports.posts.hasRoom(caller.login, Number(headers["content-length"] ?? 0))) {
            throw new RequestError(
              "UNAVAILABLE",
              "Too many events wait to be stored; send this one again later.",
            );
          }
          return payload;
        },
      },
      async (request, reply) => send(reply, await answered(request, reply)),
    );
  });

  /** The answer, kept for a repetition in case it cannot be written. */
  async function answered(
    { caller, body, headers }: FastifyRequest<PostRoute>,
    reply: FastifyReply,
  ): Promise<Answer | RequestError> {
    const { text, value } = body ?? { text: "", value: null };
    const answer = answerOf({ caller, text, trace: requestTrace(headers) }, value);
    reply.raw.once("close", () => {
      if (!reply.raw.writableFinished) unanswered.note(caller, text, answer);
    });
    return await answer;
  }

  async function answerOf(request: Posted, value: JsonValue): Promise<Answer | RequestError> {
    const { caller, text } = request;
    const earlier = await unanswered.take(caller, text);
    // What failed the first time is tried again.
    if (earlier !== undefined && !(earlier instanceof RequestError)) return earlier;
    const batch = isJsonArray(value) ? value : isJsonObject(value) ? value["events"] : undefined;
    return isJsonArray(batch) ? await storeBatch(request, batch) : await storeOne(request, value);
  }

  async function storeOne({ caller, text, trace }: Posted, value: JsonValue): Promise<Answer | RequestError> {
    const post = decodePost(value, caller, trace);
    if (post instanceof RequestError) return post;
    const [outcome] = await ports.posts.store({ caller: caller.login, posts: [post], bytes: text.length });
    const answer = postAnswer(post, outcome ?? { kind: "withdrawn" }, caller);
    return answer instanceof RequestError ? answer : { status: answer.status, body: { data: answer.data } };
  }

  async function storeBatch(
    { caller, text, trace }: Posted,
    batch: readonly JsonValue[],
  ): Promise<Answer | RequestError> {
    if (batch.length > eventsMax) {
      return new RequestError("VALIDATION_FAILED", "Not valid: body.", [
        { parameter: "body", problem: `has ${batch.length} events and may have ${eventsMax}` },
      ]);
    }
    const decoded = batch.map((value) => decodePost(value, caller, trace));
    const posts = decoded.filter((post): post is EventPost => !(post instanceof RequestError));
    const outcomes = await ports.posts.store({ caller: caller.login, posts, bytes: text.length });
    let stored = 0;
    return batchAnswer(
      decoded.map((post) => {
        if (post instanceof RequestError) return post;
        const outcome = outcomes[stored];
        stored += 1;
        return postAnswer(post, outcome ?? { kind: "withdrawn" }, caller);
      }),
    );
  }
}

/** Node joins repeated headers with commas, which makes a `traceparent` invalid and continues a `tracestate`. */
function requestTrace({ traceparent, tracestate }: FastifyRequest["headers"]): TraceContext | undefined {
  if (traceparent === undefined) return undefined;
  const isOne = typeof traceparent === "string" && typeof tracestate !== "object";
  return isOne ? traceContext(traceparent, tracestate) : undefined;
}

function send(reply: FastifyReply, answer: Answer | RequestError): FastifyReply {
  if (answer instanceof RequestError) throw answer;
  const { status, body } = answer;
  if (status === 503 || status === 504) reply.header("retry-after", retryAfterSeconds);
  return reply.code(status).send(body);
}
