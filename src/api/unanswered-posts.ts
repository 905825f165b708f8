/**
 * Answers that could not be written, for clients that send the same body once more.
 *
 * Clients of older versions repeat a post after a connection that broke before the answer, and have no key for it. So if
 * the connection was gone when the answer was to be written, the answer is kept for a moment, for one repetition with the
 * same token and the same body. In any other case two equal posts are two events.
 */
import { createHash } from "node:crypto";
import type { Caller } from "../model/identity/caller.ts";
import type { Clock } from "../time/clock.ts";

interface Kept<Answer> {
  readonly answer: Promise<Answer>;
  readonly untilMs: number;
}

const keptMs = 15_000;
const keptMax = 10_000;

export class UnansweredPosts<Answer> {
  readonly #clock: Pick<Clock, "monotonicMs">;
  /** By token and body, the oldest first. */
  readonly #kept = new Map<string, Kept<Answer>>();

  constructor(clock: Pick<Clock, "monotonicMs">) {
    this.#clock = clock;
  }

  /** @param answer may still be on its way */
  note(caller: Caller, body: string, answer: Promise<Answer>): void {
    const key = keyOf(caller, body);
    this.#kept.delete(key);
    this.#kept.set(key, { answer, untilMs: this.#clock.monotonicMs() + keptMs });
    for (const [oldest, { untilMs }] of this.#kept) {
      if (untilMs > this.#clock.monotonicMs() && this.#kept.size <= keptMax) break;
      this.#kept.delete(oldest);
    }
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
}

function keyOf({ identityId, jti }: Caller, body: string): string {
  return createHash("sha256")
    .update(JSON.stringify([identityId, jti]))
    .update(body)
    .digest("base64");
}
