/**
 * When this worker places sensors: soon after a hint, and now and then without one.
 *
 * Its rank says how many workers come before it. The first acts on a hint at once, the next two a little later each: the
 * first may have died, and its lease not ended yet. Workers of higher ranks leave hints to them. Without a hint, the first
 * looks at every interval, and the others more rarely, for sensors that it forgot.
 */
import { ranksMax } from "../database/statements/lease-renewals.ts";

export interface PlacementIntervals {
  readonly lookIntervalMs: number;
  readonly renewalIntervalMs: number;
}

const rankDelayMs = 500;
/** Workers that do not come first look this many times more rarely. */
const rarelyFactor = 10;

export class PlacementSchedule {
  readonly #intervals: PlacementIntervals;
  /** Undefined: not known yet. */
  #rank: number | undefined;
  /** Because of a hint. */
  #hintedForMs = Infinity;
  #placedAtMs: number;
  /** Whether the last round passed over sensors that have a place. */
  #isIncomplete = false;

  constructor(intervals: PlacementIntervals, nowMs: number) {
    this.#intervals = intervals;
    this.#placedAtMs = nowMs;
  }

  /** Whether this worker is the one that places sensors for all. */
  get isFirst(): boolean {
    return this.#rank === 0;
  }

  /** @returns whether it is another rank than before */
  setRank(rank: number): boolean {
    const isNew = rank !== this.#rank;
    this.#rank = rank;
    return isNew;
  }

  /** Something has changed, or a round has failed. */
  hint(nowMs: number): void {
    if (this.#rank === undefined || this.#rank >= ranksMax) return;
    this.#hintedForMs = Math.min(this.#hintedForMs, nowMs + this.#rank * rankDelayMs);
  }

  /** A round begins, and sees everything that was hinted at. */
  begin(): void {
    this.#hintedForMs = Infinity;
  }

  /** The round that began last has ended. */
  end(nowMs: number, { isIncomplete }: { readonly isIncomplete: boolean }): void {
    this.#placedAtMs = nowMs;
    this.#isIncomplete = isIncomplete;
  }

  /** Until the next round is due; not above 0: it is due now. */
  restMs(nowMs: number): number {
    const { lookIntervalMs, renewalIntervalMs } = this.#intervals;
    const usualMs = this.isFirst ? lookIntervalMs : lookIntervalMs * rarelyFactor;
    const dueAtMs = this.#placedAtMs + (this.#isIncomplete ? renewalIntervalMs : usualMs);
    return Math.min(dueAtMs, this.#hintedForMs) - nowMs;
  }
}
