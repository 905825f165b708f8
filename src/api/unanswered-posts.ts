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
 */
import { hash } from "node:crypto";
import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Caller } from "../model/identity/caller.ts";
import type { Clock } from "../time/clock.ts";

interface Kept<Answer> {
  readonly answer: Promise<Answer>;
  readonly untilMs: number;
}

interface Written<Answer> {
  readonly key: string;
  readonly answer: Promise<Answer>;
  readonly atMs: number;
}

const keptMs = 15_000;
const keptMax = 10_000;
const resetMsMax = 1_000;

export class UnansweredPosts<Answer> {
  readonly #clock: Pick<Clock, "monotonicMs">;
  /** By token and body, the oldest first. */
  readonly #kept = new Map<string, Kept<Answer>>();
  /** The last answer to a sensor over each connection. */
  readonly #written = new WeakMap<Socket, Written<Answer>>();

  constructor(clock: Pick<Clock, "monotonicMs">) {
    this.#clock = clock;
  }

  /**
   * Keeps the answer if it does not reach its client.
   *
   * @param answer may still be on its way
   */
  watch(response: ServerResponse, caller: Caller, body: string, answer: Promise<Answer>): void {
    const { socket } = response.req;
    response.once("close", () => {
      if (!response.writableFinished) this.#keep(keyOf(caller, body), answer);
      else if (caller.role === "sensor") this.#noteWritten(socket, keyOf(caller, body), answer);
    });
  }

  /** The answer that this request did not get the first time, for once. */
  take(caller: Caller, body: string): Promise<Answer> | undefined {
    if (this.#kept.size === 0) return undefined;
    const key = keyOf(caller, body);
    const kept = this.#kept.get(key);
    if (kept === undefined) return undefined;
    this.#kept.delete(key);
    return kept.untilMs > this.#clock.monotonicMs() ? kept.answer : undefined;
  }

  #noteWritten(socket: Socket, key: string, answer: Promise<Answer>): void {
    const isFirst = !this.#written.has(socket);
    this.#written.set(socket, { key, answer, atMs: this.#clock.monotonicMs() });
    if (!isFirst) return;
    socket.once("close", (hadError) => {
      const last = this.#written.get(socket);
      if (!hadError || last === undefined || this.#clock.monotonicMs() - last.atMs > resetMsMax) return;
      this.#keep(last.key, last.answer);
    });
  }

  #keep(key: string, answer: Promise<Answer>): void {
    this.#kept.delete(key);
    this.#kept.set(key, { answer, untilMs: this.#clock.monotonicMs() + keptMs });
    for (const [oldest, { untilMs }] of this.#kept) {
      if (untilMs > this.#clock.monotonicMs() && this.#kept.size <= keptMax) break;
      this.#kept.delete(oldest);
    }
  }
}

function keyOf({ identityId, jti }: Caller, body: string): string {
  return hash("sha256", JSON.stringify([identityId, jti]) + body, "base64");
}
