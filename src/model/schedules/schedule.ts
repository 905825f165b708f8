/**
 * When a timer fires, as a function of time.
 *
 * A schedule is a set of slots: instants in Unix time, each at most once, strictly increasing. It holds no clock and no
 * state that changes its answers, so the same question always gets the same answer, on every agent and after every restart.
 */
export interface Schedule {
  /**
   * The first slot strictly after that time.
   *
   * @param afterMs Unix time in milliseconds
   * @returns undefined if there is none ever
   */
  next(afterMs: number): Slot | undefined;
  /** The IANA time zone in which it is meant, for display. */
  readonly zone: string;
}

export interface Slot {
  /** The slot's identity: when the timer is scheduled, in Unix milliseconds. */
  readonly scheduledMs: number;
  /** When it is to fire: later by the rule's spread and jitter. */
  readonly dueMs: number;
}

/** Finds the first member of a set of times strictly after a time; undefined if there is none ever. */
export type NextTime = (afterMs: number) => number | undefined;

/** No schedule has slots after this time: cron expressions are not evaluated further. */
export const lastSlotMs = Date.parse("2999-12-31T23:59:59Z");

/** Remembers the last answer, which also answers every question between that question and the answer. */
export function remembering(next: NextTime): NextTime {
  let fromMs = Number.POSITIVE_INFINITY;
  let found: number | undefined;
  return (afterMs) => {
    if (afterMs >= fromMs && (found === undefined || afterMs < found)) return found;
    found = next(afterMs);
    fromMs = afterMs;
    return found;
  };
}
