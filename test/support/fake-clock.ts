/**
 * A clock that only a test advances. Sleepers whose time has come wake in the order of
 * their times; what they do then runs before `advance` resolves, as far as it needs only promises.
 */
import type { Clock } from "../../src/time/clock.ts";

export interface FakeClock extends Clock {
  advance(ms: number): Promise<void>;
  /** How many sleep: for tests to wait until something waits. */
  sleeperCount(): number;
}

interface Sleeper {
  readonly atMs: number;
  readonly wake: () => void;
}

export function fakeClock(startMs = Date.parse("2026-01-01T00:00:00Z")): FakeClock {
  let elapsedMs = 0;
  const sleepers = new Set<Sleeper>();

  return {
    nowMs: () => startMs + elapsedMs,
    monotonicMs: () => elapsedMs,
    sleeperCount: () => sleepers.size,

    sleep(ms, signal) {
      const { promise, resolve } = Promise.withResolvers<void>();
      if (signal?.aborted || ms <= 0) return Promise.resolve();
      const sleeper: Sleeper = {
        atMs: elapsedMs + ms,
        wake: () => {
          sleepers.delete(sleeper);
          resolve();
        },
      };
      sleepers.add(sleeper);
      signal?.addEventListener("abort", sleeper.wake, { once: true });
      return promise;
    },

    async advance(ms) {
      const untilMs = elapsedMs + ms;
      for (;;) {
        const next = [...sleepers].toSorted((a, b) => a.atMs - b.atMs)[0];
        if (next === undefined || next.atMs > untilMs) break;
        elapsedMs = Math.max(elapsedMs, next.atMs);
        next.wake();
        await new Promise(setImmediate);
      }
      elapsedMs = untilMs;
      await new Promise(setImmediate);
    },
  };
}
