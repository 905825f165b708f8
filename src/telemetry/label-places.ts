/**
 * Which values of a counter's label get a series of their own, where there may be more of them than a scrape can bear.
 *
 * The first thousand do. A hundred places are kept for values that matter later: one that makes up a hundredth of what was
 * counted recently gets such a place. Everything else is counted as `other`. A place is never taken back, and what was
 * counted as `other` stays there, so each series only grows, and their sum is all that was counted.
 */
export interface LabelLimits {
  readonly firstMax: number;
  readonly laterMax: number;
  /** The part of what was counted recently that earns one of the later places. */
  readonly shareMin: number;
  /** What recently means: at this count, all that is remembered of the past counts half. */
  readonly recentMax: number;
  /** How many values without a place are remembered. */
  readonly candidatesMax: number;
}

const usualLimits: LabelLimits = {
  firstMax: 1_000,
  laterMax: 100,
  shareMin: 0.01,
  recentMax: 100_000,
  candidatesMax: 10_000,
};

export class LabelPlaces {
  readonly #limits: LabelLimits;
  readonly #places = new Set<string>();
  /** Value without a place → what was counted of it recently. */
  readonly #candidates = new Map<string, number>();
  #recent = 0;

  constructor(limits: LabelLimits = usualLimits) {
    this.#limits = limits;
  }

  /** The label under which this much of the value is to be counted. */
  labelFor(value: string, count: number): string {
    const { firstMax, recentMax } = this.#limits;
    this.#recent += count;
    if (!this.#places.has(value) && (this.#places.size < firstMax || this.#earnsPlace(value, count))) {
      this.#places.add(value);
      this.#candidates.delete(value);
    }
    if (this.#recent > recentMax) this.#halve();
    return this.#places.has(value) ? value : "other";
  }

  #earnsPlace(value: string, count: number): boolean {
    const { firstMax, laterMax, shareMin, candidatesMax } = this.#limits;
    if (this.#places.size >= firstMax + laterMax) return false;
    const counted = (this.#candidates.get(value) ?? 0) + count;
    if (counted >= this.#recent * shareMin) return true;
    if (this.#candidates.has(value) || this.#candidates.size < candidatesMax)
      this.#candidates.set(value, counted);
    return false;
  }

  #halve(): void {
    this.#recent /= 2;
    for (const [value, counted] of this.#candidates) {
      if (counted < 2) this.#candidates.delete(value);
      else this.#candidates.set(value, counted / 2);
    }
  }
}
