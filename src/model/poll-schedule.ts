/**
 * When a poll sensor runs: at `anchorMs` and every `intervalMs` after it, never at "now + interval",
 * so that neither a run's length nor a late timer moves the schedule. Slots that pass during a run
 * or a delay are skipped, not made up for.
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
