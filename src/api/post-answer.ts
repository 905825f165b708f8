/** The answer to a client that posted one event or many. */
import { Type } from "typebox";
import type { Caller } from "../model/identity/caller.ts";
import type { EventPost, PostOutcome } from "../model/sensors/posted-event.ts";
import { idAnswer, IdAnswer } from "./answers.ts";
import { RequestError, statusOf } from "./errors.ts";

const StoredPost = {
  id: Type.Optional(IdAnswer),
  deduplicated: Type.Optional(
    Type.Boolean({ description: "An event with this dedup_key was stored before; the id is its" }),
  ),
  checkpoint_stored: Type.Optional(
    Type.Boolean({
      description: "False: the token belongs to no assignment, so the checkpoint was left out",
    }),
  ),
};

const PostAnswer = Type.Object(StoredPost);

const BatchItemAnswer = Type.Object({
  status: Type.Integer({ description: "As of a post of this event alone" }),
  ...StoredPost,
  error: Type.Optional(Type.String()),
  code: Type.Optional(Type.String()),
  details: Type.Optional(Type.Array(Type.Object({ parameter: Type.String(), problem: Type.String() }))),
});

const OneOrMany = Type.Object({ data: Type.Union([PostAnswer, Type.Array(BatchItemAnswer)]) });

/** By status. */
export const postAnswers = {
  201: OneOrMany,
  200: OneOrMany,
  207: Type.Object({ data: Type.Array(BatchItemAnswer) }),
};

export interface StoredAnswer {
  readonly status: 200 | 201;
  readonly data: {
    readonly id?: number | string;
    readonly deduplicated?: true;
    readonly checkpoint_stored?: boolean;
  };
}

/** What became of one post. */
export function postAnswer(
  post: EventPost,
  outcome: PostOutcome,
  caller: Caller,
): StoredAnswer | RequestError {
  switch (outcome.kind) {
    case "stored":
      return { status: 201, data: { id: idAnswer(outcome.eventId), ...aboutCheckpoint(post, caller) } };
    case "duplicate":
      return {
        status: 200,
        data: { id: idAnswer(outcome.eventId), deduplicated: true, ...aboutCheckpoint(post, caller) },
      };
    case "moved":
      return { status: 200, data: { checkpoint_stored: true } };
    case "refused":
      return new RequestError("VALIDATION_FAILED", "The event cannot be stored.", [
        { parameter: "body", problem: outcome.reason },
      ]);
    case "fenced":
      return new RequestError(
        "CONFLICT",
        "The event was not stored: the sensor's assignment that the token belongs to has ended.",
      );
    case "sensor gone":
      return new RequestError("FORBIDDEN", "The sensor that the token belongs to does not exist.");
    case "withdrawn":
      return new RequestError(
        "UNAVAILABLE",
        "The event was not stored and will not be; send it again later.",
      );
    case "unknown":
      return new RequestError(
        "OUTCOME_UNKNOWN",
        "The event was not stored in time, and may be stored or not; sent again with its dedup_key, it is stored once.",
      );
  }
}

function aboutCheckpoint(post: EventPost, caller: Caller): { readonly checkpoint_stored?: boolean } {
  if (post.kind !== "event" || post.event.checkpoint === undefined) return {};
  return { checkpoint_stored: caller.role === "sensor" && caller.grant.term !== null };
}

export interface BatchAnswer {
  readonly status: number;
  readonly body: { readonly data: readonly object[]; readonly error?: string; readonly code?: string };
}

/**
 * 201 if every event is stored, 200 if at least one of them was before; 207 if some failed; if all failed in one way, that
 * failure's status.
 */
export function batchAnswer(items: readonly (StoredAnswer | RequestError)[]): BatchAnswer {
  const data = items.map((item) =>
    item instanceof RequestError
      ? {
          status: statusOf(item),
          error: item.message,
          code: item.code,
          ...(item.details && { details: item.details }),
        }
      : { status: item.status, ...item.data },
  );
  const statuses = new Set(data.map(({ status }) => status));
  const [first] = items;
  if (first instanceof RequestError && statuses.size === 1) {
    return { status: statusOf(first), body: { error: first.message, code: first.code, data } };
  }
  const isFailed = [...statuses].some((status) => status >= 400);
  return { status: isFailed ? 207 : statuses.has(200) || statuses.size === 0 ? 200 : 201, body: { data } };
}
