/**
 * Long work on the event loop, done in slices: after each, everything else gets its turn.
 *
 * Work is counted, not timed, so that a slice is the same on every machine. A unit is about what parsing one
 * character costs.
 */
import { setImmediate as nextTurn } from "node:timers/promises";

/** One to a few milliseconds. */
export const sliceWork = 256 * 1024;

export class WorkSlices {
  readonly #pause: () => Promise<unknown>;
  #left = sliceWork;

  /** @param pause ends a slice; resolves when the next may begin */
  constructor(pause: () => Promise<unknown> = nextTurn) {
    this.#pause = pause;
  }

  /**
   * Notes work that was done.
   *
   * @returns what to wait for before any more is done, if the slice is used up
   */
  spend(work: number): Promise<unknown> | undefined {
    this.#left -= work;
    if (this.#left > 0) return undefined;
    this.#left = sliceWork;
    return this.#pause();
  }
}
