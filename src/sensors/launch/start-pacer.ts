/**
 * Bounds how fast an agent starts processes. Starting one holds the event loop for milliseconds, and an interpreter that
 * begins takes a processor for tens of them: a thousand at once would hold up everything else.
 *
 * A few start at once, further ones one after the other.
 */
import type { Clock } from "../../time/clock.ts";

export interface StartPace {
  /** Starts that need not wait after a time without any. */
  readonly burst: number;
  readonly intervalMs: number;
}

export class StartPacer {
  readonly #clock: Clock;
  readonly #pace: StartPace;
  /** When the next start would be due if none were ever early. */
  #dueMs = -Infinity;

  constructor(clock: Clock, pace: StartPace) {
    this.#clock = clock;
    this.#pace = pace;
  }

  /** Resolves when the caller may start a process, or when the signal aborts. In the order of the calls. */
  async turn(signal: AbortSignal): Promise<void> {
    const { burst, intervalMs } = this.#pace;
    const nowMs = this.#clock.monotonicMs();
    const dueMs = Math.max(this.#dueMs, nowMs);
    this.#dueMs = dueMs + intervalMs;
    const waitMs = dueMs - nowMs - (burst - 1) * intervalMs;
    if (waitMs > 0) await this.#clock.sleep(waitMs, signal);
  }
}
