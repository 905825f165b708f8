/**
 * Splits long work on the event loop into slices of time, for work whose parts cost very different amounts. After each slice
 * everything else gets a turn. Work that is the same on every machine is counted instead (work-slices.ts).
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Clock } from "../time/clock.ts";

/** How long work goes on before everything else gets a turn. */
const sliceMs = 4;

/**
 * Runs work to its end in slices.
 *
 * @param work yields after each part
 */
export async function inTimeSlices<Result>(work: Generator<void, Result>, clock: Clock): Promise<Result> {
  for (;;) {
    const step = runTimeSlice(work, clock);
    if (step.done === true) return step.value;
    await nextTurn();
  }
}

/** Runs work for one slice, or to its end if that comes first. */
export function runTimeSlice<Result>(
  work: Generator<void, Result>,
  clock: Clock,
): IteratorResult<void, Result> {
  const endMs = clock.monotonicMs() + sliceMs;
  for (;;) {
    const step = work.next();
    if (step.done === true || clock.monotonicMs() >= endMs) return step;
  }
}
