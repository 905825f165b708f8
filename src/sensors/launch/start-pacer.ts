/**
 * Limits how fast an agent starts processes. Each start blocks the event loop for milliseconds, and the interpreter's
 * start-up takes tens of milliseconds of CPU time, so a thousand at once would block everything else.
 *
 * A burst starts at once, further processes one after the other.
 */
import type { Clock } from "../../time/clock.ts";

export interface StartPace {
  /** How many starts need not wait after a pause. */
  readonly burst: number;
  readonly intervalMs: number;
}

export class StartPacer {
  readonly #clock: Clock;
  readonly #pace: StartPace;
  /** When the next start would be due without bursts. */
  #dueMs = -Infinity;

  constructor(clock: Clock, pace: StartPace) {
    this.#clock = clock;
    this.#pace = pace;
  }

  /** Resolves, in the order of the calls, when the caller may start a process or the signal aborts. */
  async turn(signal: AbortSignal): Promise<void> {
    const { burst, intervalMs } = this.#pace;
    const nowMs = this.#clock.monotonicMs();
    const dueMs = Math.max(this.#dueMs, nowMs);
    this.#dueMs = dueMs + intervalMs;
    const waitMs = dueMs - nowMs - (burst - 1) * intervalMs;
    if (waitMs > 0) await this.#clock.sleep(waitMs, signal);
  }
}
