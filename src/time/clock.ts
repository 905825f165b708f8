/**
 * Time as a dependency: whoever waits or measures takes a Clock, so that tests move it by hand.
 *
 * `nowMs` is the wall clock and may jump; durations are differences of `monotonicMs` only.
 */
import { setTimeout as delay } from "node:timers/promises";

export interface Clock {
  /** Milliseconds since 1970. */
  nowMs(): number;
  /** Milliseconds from an arbitrary start; never goes back. */
  monotonicMs(): number;
  /** Resolves after `ms`, or at once (without an error) when the signal aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  async sleep(ms, signal) {
    const options = signal === undefined ? {} : { signal };
    await delay(ms, undefined, options).catch((error: unknown) => {
      if (!signal?.aborted) throw error;
    });
  },
};
