/**
 * When a poll sensor runs: at `anchorMs` and every `intervalMs` after it, never at "now + interval",
 * so that neither a run's length nor a late timer moves the schedule. Slots that pass during a run
 * or a delay are skipped, not made up for.
 *
 * The first run is at once. The anchors of sensors that start together lie spread over the interval, or all would
 * run at the same moments for ever.
 */
export interface PollSchedule {
  readonly anchorMs: number;
  readonly intervalMs: number;
}

/** The first slot at or after `earliestMs` (and never before the anchor). All on one monotonic clock. */
export function nextSlotMs({ anchorMs, intervalMs }: PollSchedule, earliestMs: number): number {
  const slots = Math.max(0, Math.ceil((earliestMs - anchorMs) / intervalMs));
  return anchorMs + slots * intervalMs;
}

/**
 * The slot after a run: strictly after the one it began in, also if a timer was early or the run took no time; and not
 * sooner than half an interval after its beginning, since a first run lies outside the slots.
 */
export function slotAfterRunMs(schedule: PollSchedule, beganMs: number, nowMs: number): number {
  return nextSlotMs(schedule, Math.max(nowMs, beganMs + schedule.intervalMs / 2));
}

/**
 * Which part of the interval the n-th sensor's anchor lies at, n from 0: 0, 1/2, 1/4, 3/4, 1/8 … However many there are,
 * they are spread evenly (the sequence of van der Corput), and one alone is anchored to its first run.
 */
export function phaseOf(n: number): number {
  let phase = 0;
  for (let rest = n, part = 0.5; rest > 0; rest = Math.floor(rest / 2), part /= 2) phase += (rest % 2) * part;
  return phase;
}
