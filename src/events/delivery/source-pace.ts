/**
 * Lets sources wait while delivery is crowded (model/sensors/pace.ts), each for at most a second.
 *
 * All that wait at the same time share one wait: it is asked for after every event.
 */
import type { Changes } from "../../concurrency/changes.ts";
import { isCrowded, type CrowdingLimits, type DeliveryLoad, type Pace } from "../../model/sensors/pace.ts";
import type { Clock } from "../../time/clock.ts";

export interface SourcePaceOptions {
  readonly load: DeliveryLoad;
  /** Noted whenever a message is no longer in flight. */
  readonly changes: Changes;
  readonly limits: CrowdingLimits;
  readonly clock: Clock;
}

/** A source waits no longer than this for each of the events it may have under way. */
const easeMsMax = 1_000;
/** How often to look without a change: a broker that falls silent changes nothing. */
const easeCheckMs = 100;

export class SourcePace implements Pace {
  readonly #options: SourcePaceOptions;
  #easing: Promise<void> | undefined;

  constructor(options: SourcePaceOptions) {
    this.#options = options;
  }

  /** Undefined when there is room; else resolves once there is, when the broker confirms nothing, or after a moment. */
  ease(): Promise<void> | undefined {
    if (this.#easing === undefined && this.#isCrowded()) {
      this.#easing = this.#untilEased().finally(() => (this.#easing = undefined));
    }
    return this.#easing;
  }

  async #untilEased(): Promise<void> {
    const { changes, clock } = this.#options;
    const untilMs = clock.monotonicMs() + easeMsMax;
    while (this.#isCrowded() && clock.monotonicMs() < untilMs) {
      await changes.nextWithin(easeCheckMs, clock);
    }
  }

  #isCrowded(): boolean {
    const { load, limits, clock } = this.#options;
    return isCrowded(load, limits, clock.monotonicMs());
  }
}
