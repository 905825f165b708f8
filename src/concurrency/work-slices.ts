/**
 * Splits long work on the event loop into slices. After each slice everything else gets a turn.
 *
 * Work is counted rather than timed, so that slices are the same on every machine. One unit costs about as much as
 * parsing one character.
 */
import { setImmediate as nextTurn } from "node:timers/promises";

/** One to a few milliseconds. */
export const sliceWork = 256 * 1024;

export class WorkSlices {
  readonly #pause: () => Promise<unknown>;
  #left = sliceWork;

  /** @param pause called after each slice; resolves when the next may begin */
  constructor(pause: () => Promise<unknown> = nextTurn) {
    this.#pause = pause;
  }

  /**
   * Records work that was done.
   *
   * @returns a promise to await before doing more, if the slice is used up
   */
  spend(work: number): Promise<unknown> | undefined {
    this.#left -= work;
    if (this.#left > 0) return undefined;
    this.#left = sliceWork;
    return this.#pause();
  }
}

/**
 * Runs work to its end in slices.
 *
 * @param work yields after each part how much work that was
 */
export async function inSlices<Result>(
  work: Generator<number, Result>,
  slices: WorkSlices = new WorkSlices(),
): Promise<Result> {
  for (;;) {
    const step = work.next();
    if (step.done === true) return step.value;
    const pause = slices.spend(step.value);
    if (pause !== undefined) await pause;
  }
}
