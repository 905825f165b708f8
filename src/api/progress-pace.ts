/** How often a long answer says how far its work is: once a second at most. */
import type { Clock } from "../time/clock.ts";

const progressMs = 1_000;

export class ProgressPace {
  readonly #clock: Pick<Clock, "monotonicMs">;
  #toldAtMs: number;

  constructor(clock: Pick<Clock, "monotonicMs">) {
    this.#clock = clock;
    this.#toldAtMs = clock.monotonicMs();
  }

  /** Whether to say it now; then not again for a second. */
  isDue(): boolean {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#toldAtMs < progressMs) return false;
    this.#toldAtMs = nowMs;
    return true;
  }
}
