/**
 * `/webhooks/…`: requests of other systems, which have no token of this platform. The receiver finds out whether they are
 * accepted.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { Type } from "typebox";
import { errorCatalogue, requestErrors, type RequestErrorCode } from "../../errors/catalogue.ts";
import type { JsonObject } from "../../model/json/json.ts";
import { webhookMethods } from "../../model/webhooks/endpoint-settings.ts";
import { IdAnswer, InstantAnswer } from "../answers.ts";
import { certificateNames } from "../client-certificate.ts";
import { sendEarly } from "../early-answer.ts";
import { retryAfterSeconds } from "../errors.ts";
import type { ReadBody } from "../body-reader.ts";
import { leaveBodies, type RequestBodies } from "../request-bodies.ts";

/** Satisfied by webhooks/webhook-receiver.ts. */
export interface WebhookReceiver {
  receive(request: {
    readonly requestId: string;
    readonly method: string;
    readonly path: string;
    readonly fullPath: string;
    readonly query: string;
    readonly headers: Readonly<Record<string, string | undefined>>;
    readonly remoteAddress: string;
    readonly certificateNames: readonly string[] | null;
    readonly bodyBytes: number | null;
    readBody(bytesMax: number, isRefused: boolean): Promise<ReadBody>;
  }): Promise<ReceivedAnswer | ReceivedRefusal>;
}

interface ReceivedAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body:
    | { readonly kind: "json"; readonly value: JsonObject }
    | { readonly kind: "text"; readonly text: string; readonly contentType: string };
}

interface ReceivedRefusal {
  readonly status: number;
  readonly sentence: string;
  readonly headers?: Readonly<Record<string, string>>;
}

const StoredAnswer = Type.Object({
  data: Type.Object({
    event_id: IdAnswer,
    trigger_ref: Type.String(),
    received_at: InstantAnswer,
    message: Type.String(),
    delivery_id: Type.Optional(Type.String({ description: "The sender's id of the delivery" })),
    deduplicated: Type.Optional(
      Type.Boolean({ description: "The delivery was stored before; the event is the first one's" }),
    ),
    event_ids: Type.Optional(Type.Array(IdAnswer, { description: "If several rules have this path" })),
  }),
});

const PathParameters = Type.Object({
  "*": Type.String({ description: "Path of a `core.webhook` rule, or webhook key of a trigger" }),
});

/** No rule can have them; they get the same answer as other methods that the endpoint does not have. */
const unansweredMethods: readonly string[] = ["HEAD", "OPTIONS"];

const mediaType = /^[\w!#$%&'*+.^`|~-]+\/[\w!#$%&'*+.^`|~-]+[ \t]*(?:;|$)/;

export function addWebhookRoutes(
  scope: FastifyInstance,
  receiver: WebhookReceiver,
  bodies: RequestBodies,
): void {
  leaveBodies(scope);
  // One route for each method, so that each has a name of its own in the API's description.
  for (const method of [...webhookMethods, ...unansweredMethods]) {
    scope.route<{ Params: { readonly "*": string } }>({
      method,
      url: "/webhooks/*",
      exposeHeadRoute: false,
      schema: {
        hide: unansweredMethods.includes(method),
        description: "A request of another system. See docs/webhooks.md for what it must carry.",
        params: PathParameters,
        response: { 200: StoredAnswer },
      },
      validatorCompiler: () => () => true,
      // Fastify itself answers requests whose content type it cannot parse, and the delivery log would not have them.
      onRequest: async (request, reply) => {
        const type = request.headers["content-type"];
        return type === undefined || mediaType.test(type) ? undefined : answered(request, reply);
      },
      handler: (request, reply) => answered(request, reply),
    });
  }

  async function answered(
    request: FastifyRequest<{ Params: { readonly "*": string } }>,
    reply: FastifyReply,
  ): Promise<FastifyReply> {
    const [fullPath = "", ...query] = request.url.split("?");
    const answer = await receiver.receive({
      requestId: request.id,
      method: request.method,
      path: request.params["*"],
      fullPath,
      query: query.join("?"),
      headers: singleHeaders(request),
      remoteAddress: request.ip,
      certificateNames: certificateNames(request.raw),
      bodyBytes: lengthOf(request),
      readBody: (bytesMax, isRefused) => bodies.readSent(request, bytesMax, isRefused),
    });
    return "sentence" in answer ? refuse(request, reply, answer) : send(reply, answer);
  }
}

function send(reply: FastifyReply, { status, headers, body }: ReceivedAnswer): FastifyReply {
  reply.code(status).headers(headers);
  if (body.kind === "json") return reply.send(body.value);
  return reply
    .headers({ "content-type": body.contentType, "x-content-type-options": "nosniff" })
    .send(Buffer.from(body.text));
}

function refuse(
  request: Pick<FastifyRequest, "raw">,
  reply: FastifyReply,
  { status, sentence, headers = {} }: ReceivedRefusal,
): FastifyReply {
  if (status === 503 || status === 504) reply.header("retry-after", retryAfterSeconds);
  return sendEarly(request, reply.code(status).headers(headers), { error: sentence, code: codeOf(status) });
}

function codeOf(status: number): RequestErrorCode {
  for (const code of Object.keys(requestErrors)) {
    if (isRequestErrorCode(code) && errorCatalogue[code].status === status) return code;
  }
  return "BAD_REQUEST";
}

function isRequestErrorCode(code: string): code is RequestErrorCode {
  return Object.hasOwn(requestErrors, code);
}

/** Node joins repeated headers; only Set-Cookie comes as a list, and it is of no use here. */
function singleHeaders({
  headers,
}: Pick<FastifyRequest, "headers">): Readonly<Record<string, string | undefined>> {
  const single: Record<string, string | undefined> = {};
  for (const [name, value] of Object.entries(headers)) if (typeof value === "string") single[name] = value;
  return single;
}

function lengthOf({ headers }: Pick<FastifyRequest, "headers">): number | null {
  const length = headers["content-length"];
  return length === undefined ? null : Number(length);
}
