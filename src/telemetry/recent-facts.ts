/**
 * Caches facts that cost a query: queries at most once every `freshMs`, one query at a time, for all callers.
 *
 * If the query fails or takes longer than `waitMs`, callers get undefined instead of hanging with the
 * database. A late query continues, and no second one is started meanwhile.
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
