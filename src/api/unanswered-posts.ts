/**
 * Answers that did not reach their clients, for clients that send the same body once more.
 *
 * Clients of older versions repeat a post after a connection that broke before the answer, and have no key for it. So such
 * an answer is kept for a moment, for one repetition with the same token and the same body. In any other case two equal
 * posts are two events.
 *
 *   answer to be written, connection gone ─────────────────────────────────▶ kept
 *   answer written, connection reset within a second, caller a sensor ─────▶ kept
 *   answer written, otherwise ─────────────────────────────────────────────▶ forgotten
 *
 * A connection is reset when its client closes it with an answer unread: the SDK does so when it is told to stop while one
 * of its threads posts, and that thread then repeats the post.
 *
 * What is kept is bounded (recent-answers.ts), since the answer to a large batch is large.
 */
import { hash } from "node:crypto";
import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Caller } from "../model/identity/caller.ts";
import type { Clock } from "../time/clock.ts";
import { RecentAnswers } from "./recent-answers.ts";

export interface UnansweredPostsOptions<Answer> {
  /** About the memory that an answer takes. */
  readonly bytesOf: (answer: Answer) => number;
  readonly clock: Pick<Clock, "monotonicMs">;
}

const keptMs = 15_000;
const resetMsMax = 1_000;
const limits = { countMax: 10_000, bytesMax: 8_388_608 };

export class UnansweredPosts<Answer> {
  /** By token and body. */
  readonly #kept: RecentAnswers<string, Answer>;
  /** The last answer to a sensor over each connection. */
  readonly #written: RecentAnswers<Socket, Answer>;
  /** Of those answers, by token and body. */
  readonly #writtenKeys = new WeakMap<Socket, string>();

  constructor(options: UnansweredPostsOptions<Answer>) {
    this.#kept = new RecentAnswers({ ...options, ...limits, keptMs });
    this.#written = new RecentAnswers({ ...options, ...limits, keptMs: resetMsMax });
  }

  /**
   * Keeps the answer if it does not reach its client.
   *
   * @param answer may still be on its way; never rejects
   */
  watch(response: ServerResponse, caller: Caller, body: string, answer: Promise<Answer>): void {
    const { socket } = response.req;
    response.once("close", () => {
      if (!response.writableFinished) this.#kept.keep(keyOf(caller, body), answer);
      else if (caller.role === "sensor") this.#noteWritten(socket, keyOf(caller, body), answer);
    });
  }

  /** The answer that this request did not get the first time, for once. */
  take(caller: Caller, body: string): Promise<Answer> | undefined {
    return this.#kept.isEmpty ? undefined : this.#kept.take(keyOf(caller, body));
  }

  #noteWritten(socket: Socket, key: string, answer: Promise<Answer>): void {
    const isFirst = !this.#writtenKeys.has(socket);
    this.#writtenKeys.set(socket, key);
    this.#written.keep(socket, answer);
    if (!isFirst) return;
    socket.once("close", (hadError) => {
      const last = this.#written.take(socket);
      const lastKey = this.#writtenKeys.get(socket);
      if (hadError && last !== undefined && lastKey !== undefined) this.#kept.keep(lastKey, last);
    });
  }
}

function keyOf({ identityId, jti }: Caller, body: string): string {
  return hash("sha256", JSON.stringify([identityId, jti]) + body, "base64");
}
