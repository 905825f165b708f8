/**
 * Limits how many values of a counter's label get a series of their own, to keep scrapes small.
 *
 * The first thousand values get one. A hundred more are reserved for values that become important later, that is,
 * account for at least a hundredth of the recent count. All others are counted as `other`. A series is never taken
 * away, and counts in `other` stay there, so every series only grows and their sum is the total.
 */
export interface LabelLimits {
  readonly firstMax: number;
  readonly laterMax: number;
  /** The share of the recent count that earns one of the reserved series. */
  readonly shareMin: number;
  /** Defines "recent": at this total, all remembered counts are halved. */
  readonly recentMax: number;
  /** How many values without a series are remembered. */
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
  /** Value without a series → its recent count. */
  readonly #candidates = new Map<string, number>();
  #recent = 0;

  constructor(limits: LabelLimits = usualLimits) {
    this.#limits = limits;
  }

  /** The label under which to add this count for the value. */
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
