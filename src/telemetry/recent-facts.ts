/**
 * Facts that cost a query: asked at most every `freshMs`, however many ask, and one query at a time.
 *
 * A failure, or an answer later than `waitMs`, is undefined: whoever asks goes on without, rather than
 * hang with the database. A query that is late goes on, and is not asked again beside itself.
 */
import { settlesWithin } from "../concurrency/settles-within.ts";
import { systemClock, type Clock } from "../time/clock.ts";

export interface Freshness {
  readonly freshMs: number;
  readonly waitMs: number;
  readonly clock?: Clock;
}

export function recentFacts<Facts>(
  read: () => Promise<Facts | undefined>,
  { freshMs, waitMs, clock = systemClock }: Freshness,
): () => Promise<Facts | undefined> {
  let asked: Promise<Facts | undefined> | undefined;
  let askedAtMs = 0;
  let isPending = false;

  function ask(): Promise<Facts | undefined> {
    const isFresh = clock.monotonicMs() - askedAtMs < freshMs;
    if (asked !== undefined && (isPending || isFresh)) return asked;
    isPending = true;
    askedAtMs = clock.monotonicMs();
    asked = read()
      .catch(() => undefined)
      .finally(() => (isPending = false));
    return asked;
  }

  return async () => {
    const answer = ask();
    return (await settlesWithin(answer, waitMs)) ? answer : undefined;
  };
}
