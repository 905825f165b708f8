/**
 * Which rows of a growing table have been reported, when their ids are drawn in order and committed in any order.
 *
 *     … reported │ not there │ reported │ not there │ reported …
 *             passed
 *
 * What is not there is not committed yet, or never will be. It is waited for until the row after it has been known for
 * `waitMs`, and passed then. So no row is reported twice, and none is missed whose transaction takes less than that.
 */
import type { Id } from "./identifiers.ts";

export class ReportedIds {
  readonly #waitMs: number;
  #passed: bigint;
  /** Reported beyond `passed`, with the time of that. */
  readonly #beyond = new Map<bigint, number>();

  constructor(passed: Id, waitMs: number) {
    this.#passed = BigInt(passed);
    this.#waitMs = waitMs;
  }

  /** Up to here nothing more is reported. */
  get passed(): Id {
    return String(this.#passed);
  }

  /** Those above `passed` that have been reported. */
  get beyond(): readonly Id[] {
    return Array.from(this.#beyond.keys(), String);
  }

  /** @param ids of rows that have just been reported */
  note(ids: readonly Id[], nowMs: number): void {
    for (const id of ids) this.#beyond.set(BigInt(id), nowMs);
    const sorted = [...this.#beyond].toSorted(([one], [other]) => (one < other ? -1 : 1));
    for (const [id, atMs] of sorted) {
      if (id !== this.#passed + 1n && nowMs - atMs < this.#waitMs) return;
      this.#passed = id;
      this.#beyond.delete(id);
    }
  }
}
