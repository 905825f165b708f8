/** Stores posted events and answers with the outcome of each. */
import type { FastifyReply } from "fastify";
import type { Caller } from "../model/identity/caller.ts";
import type { EventPost, PostOutcome, PostRequest } from "../model/sensors/posted-event.ts";
import { invalidParameter, RequestError, retryAfterSeconds } from "./errors.ts";
import { batchAnswer, postAnswer } from "./post-answer.ts";

export interface PostStore {
  /** Whether a request of that many bytes would find room. */
  hasRoom(caller: string, bytes: number): boolean;
  /** What became of each post, in their order, within a limit of time. */
  store(request: PostRequest): Promise<readonly PostOutcome[]>;
}

export interface PostsAnswer {
  readonly status: number;
  readonly body: object;
}

export interface PostedBody {
  readonly caller: Caller;
  readonly bytes: number;
}

export const postsMax = 1_000;
export const postBytesMax = 4_194_304;

/** Before the body is read. */
export function demandRoom(
  store: PostStore,
  {
    caller,
    headers,
  }: { readonly caller: Caller; readonly headers: { readonly "content-length"?: string | undefined } },
): void {
  if (store.hasRoom(caller.login, Number(headers["content-length"] ?? 0))) return;
  throw new RequestError("UNAVAILABLE", "Too many events wait to be stored; send this one again later.");
}

export function tooManyPosts(count: number): RequestError {
  return invalidParameter("body", `has ${count} events and may have ${postsMax}`);
}

export async function storeOne(
  store: PostStore,
  { caller, bytes }: PostedBody,
  post: EventPost | RequestError,
): Promise<PostsAnswer | RequestError> {
  if (post instanceof RequestError) return post;
  const [outcome] = await store.store({ caller: caller.login, posts: [post], bytes });
  const answer = postAnswer(post, outcome ?? { kind: "withdrawn" }, caller);
  return answer instanceof RequestError ? answer : { status: answer.status, body: { data: answer.data } };
}

export async function storeMany(
  store: PostStore,
  { caller, bytes }: PostedBody,
  decoded: readonly (EventPost | RequestError)[],
): Promise<PostsAnswer | RequestError> {
  const posts = decoded.filter((post): post is EventPost => !(post instanceof RequestError));
  const outcomes = await store.store({ caller: caller.login, posts, bytes });
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

export function sendAnswer(reply: FastifyReply, answer: PostsAnswer | RequestError): FastifyReply {
  if (answer instanceof RequestError) throw answer;
  const { status, body } = answer;
  if (status === 503 || status === 504) reply.header("retry-after", retryAfterSeconds);
  return reply.code(status).send(body);
}
