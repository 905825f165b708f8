/**
 * When a poll sensor runs: at `anchorMs` and every `intervalMs` after it, never at "now + interval", so that
 * neither long runs nor late timers shift the schedule. Slots that pass during a run or a delay are skipped.
 *
 * The first run is immediate. The anchors of sensors that start together are spread over the interval; otherwise they
 * would all run at the same moments for ever.
 */
export interface PollSchedule {
  readonly anchorMs: number;
  readonly intervalMs: number;
}

/** The first slot at or after `earliestMs`, and not before the anchor. All times are on one monotonic clock. */
export function nextSlotMs({ anchorMs, intervalMs }: PollSchedule, earliestMs: number): number {
  const slots = Math.max(0, Math.ceil((earliestMs - anchorMs) / intervalMs));
  return anchorMs + slots * intervalMs;
}

/**
 * The slot after a run: strictly later than the run's own slot, even if a timer fired early or the run took no time,
 * and at least half an interval after the run began, since the first run is not in a slot.
 */
export function slotAfterRunMs(schedule: PollSchedule, beganMs: number, nowMs: number): number {
  return nextSlotMs(schedule, Math.max(nowMs, beganMs + schedule.intervalMs / 2));
}

/**
 * The n-th sensor's anchor as a fraction of the interval, n from 0: 0, 1/2, 1/4, 3/4, 1/8 … (the van der Corput
 * sequence). Any number of sensors is spread evenly, and a single one is anchored to its first run.
 */
export function phaseOf(n: number): number {
  let phase = 0;
  for (let rest = n, part = 0.5; rest > 0; rest = Math.floor(rest / 2), part /= 2) phase += (rest % 2) * part;
  return phase;
}
