/**
 * Signals changes of some state to callers that wait for a condition:
 *
 *     while (!isAsWanted()) await changes.next();
 *
 * No change is missed, because nothing else runs between the check and the wait, and the condition is checked again
 * after each change. Without waiters, noting a change costs nothing.
 *
 * To wait with a limit, use `nextWithin`. `Promise.race` with `next()` would leave a reaction on the shared promise each
 * time, and all of them would stay in memory until the next change.
 */
import type { Clock } from "../time/clock.ts";

export class Changes {
  #next: PromiseWithResolvers<void> | undefined;
  /** Each ends a wait with a limit early. */
  readonly #ends = new Set<() => void>();

  /** Resolves at the next change. */
  next(): Promise<void> {
    this.#next ??= Promise.withResolvers<void>();
    return this.#next.promise;
  }

  /** Resolves at the next change, after `ms`, or when the signal aborts. A wait that has ended leaves nothing behind. */
  async nextWithin(ms: number, clock: Clock, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return;
    const wait = new AbortController();
    // An explicit reason avoids creating an exception with a stack trace each time.
    const end = (): void => wait.abort("over");
    this.#ends.add(end);
    // Not with AbortSignal.any: a signal that lives long keeps what depends on it until some later collection.
    signal?.addEventListener("abort", end);
    try {
      await clock.sleep(ms, wait.signal);
    } finally {
      this.#ends.delete(end);
      signal?.removeEventListener("abort", end);
    }
  }

  /** Wakes all waiters. */
  note(): void {
    this.#next?.resolve();
    this.#next = undefined;
    if (this.#ends.size > 0) for (const end of this.#ends) end();
  }
}
