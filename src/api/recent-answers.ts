/**
 * Answers of the last moments. They are bounded in time, number and bytes: beyond that the oldest are forgotten.
 *
 * An answer may be kept before it is known; until then it counts nothing, since its request is in memory anyway.
 */
import type { Clock } from "../time/clock.ts";

export interface RecentAnswersOptions<Answer> {
  readonly keptMs: number;
  readonly countMax: number;
  readonly bytesMax: number;
  /** About the memory that an answer takes. */
  readonly bytesOf: (answer: Answer) => number;
  readonly clock: Pick<Clock, "monotonicMs">;
}

interface Kept<Answer> {
  readonly answer: Promise<Answer>;
  readonly untilMs: number;
  bytes: number;
}

export class RecentAnswers<Key, Answer> {
  readonly #options: RecentAnswersOptions<Answer>;
  /** The oldest first. */
  readonly #kept = new Map<Key, Kept<Answer>>();
  #bytes = 0;

  constructor(options: RecentAnswersOptions<Answer>) {
    this.#options = options;
  }

  get isEmpty(): boolean {
    return this.#kept.size === 0;
  }

  /** @param answer forgotten if it fails */
  keep(key: Key, answer: Promise<Answer>): void {
    const { keptMs, clock } = this.#options;
    const kept: Kept<Answer> = { answer, untilMs: clock.monotonicMs() + keptMs, bytes: 0 };
    this.#forget(key);
    this.#kept.set(key, kept);
    this.#forgetOldest();
    void this.#count(key, kept);
  }

  /** The answer, for once. */
  take(key: Key): Promise<Answer> | undefined {
    const kept = this.#kept.get(key);
    if (kept === undefined) return undefined;
    this.#forget(key);
    return kept.untilMs > this.#options.clock.monotonicMs() ? kept.answer : undefined;
  }

  async #count(key: Key, kept: Kept<Answer>): Promise<void> {
    const answer = await kept.answer.catch(() => undefined);
    if (this.#kept.get(key) !== kept) return;
    if (answer === undefined) return this.#forget(key);
    kept.bytes = this.#options.bytesOf(answer);
    this.#bytes += kept.bytes;
    this.#forgetOldest();
  }

  #forget(key: Key): void {
    this.#bytes -= this.#kept.get(key)?.bytes ?? 0;
    this.#kept.delete(key);
  }

  #forgetOldest(): void {
    const { countMax, bytesMax, clock } = this.#options;
    const nowMs = clock.monotonicMs();
    for (const [key, { untilMs }] of this.#kept) {
      if (untilMs > nowMs && this.#kept.size <= countMax && this.#bytes <= bytesMax) return;
      this.#forget(key);
    }
  }
}
