/**
 * The places of the batches that are stored at once.
 *
 * A batch holds entries of sources without trouble together, or those of one source in trouble alone. At least half of the
 * places, and at least one, are for batches of the first kind. When there is one place for both kinds, they take turns.
 */
export type BatchKind = "together" | "alone";

export interface BatchPlace {
  readonly kind: BatchKind;
  /** On the monotonic clock. */
  readonly takenAtMs: number;
}

export class BatchPlaces {
  readonly #countMax: number;
  readonly #countMaxOf: Readonly<Record<BatchKind, number>>;
  readonly #countOf: Record<BatchKind, number> = { together: 0, alone: 0 };
  /** In the order in which they were taken. */
  readonly #taken = new Set<BatchPlace>();
  #lastKind: BatchKind = "alone";

  /** @param countMax at least 1 */
  constructor(countMax: number) {
    const alone = Math.max(countMax >> 1, 1);
    this.#countMax = countMax;
    this.#countMaxOf = { together: Math.max(countMax - alone, 1), alone };
  }

  /** When the longest of the batches under way was taken; undefined: there is none. */
  get firstTakenAtMs(): number | undefined {
    const [first] = this.#taken;
    return first?.takenAtMs;
  }

  isFree(kind: BatchKind): boolean {
    return this.#countOf[kind] < this.#countMaxOf[kind] && this.#taken.size < this.#countMax;
  }

  /** The kinds that have a place; the one that took the last one comes second. */
  free(): readonly BatchKind[] {
    const kinds: readonly BatchKind[] =
      this.#lastKind === "together" ? ["alone", "together"] : ["together", "alone"];
    return kinds.filter((kind) => this.isFree(kind));
  }

  take(kind: BatchKind, nowMs: number): BatchPlace {
    const place = { kind, takenAtMs: nowMs };
    this.#taken.add(place);
    this.#countOf[kind] += 1;
    this.#lastKind = kind;
    return place;
  }

  leave(place: BatchPlace): void {
    if (this.#taken.delete(place)) this.#countOf[place.kind] -= 1;
  }
}
