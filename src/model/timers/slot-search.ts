/**
 * Finds slots in a schedule backwards and counts them, although a schedule only knows its next slot: it looks from ever
 * earlier times.
 */
import type { Schedule, Slot } from "../schedules/schedule.ts";

const firstReachMs = 1_000;
const reachFactor = 8;

/** The newest slot after `afterMs` that was due by `byMs`. */
export function newestDue(schedule: Schedule, afterMs: number, byMs: number): Slot | undefined {
  return newest(schedule, afterMs, byMs, (slot) => slot.dueMs <= byMs);
}

/** The newest slot after `afterMs` and before `beforeMs`. */
export function newestBefore(schedule: Schedule, afterMs: number, beforeMs: number): Slot | undefined {
  return newest(schedule, afterMs, beforeMs - 1, () => true);
}

export interface SlotCount {
  readonly slots: number;
  /** False: an estimate. */
  readonly isCounted: boolean;
}

/**
 * How many slots lie after `afterMs`, up to and including the one at `untilMs`.
 *
 * @param countMax of slots to look at; of more, it estimates how many they are by those that it has seen
 */
export function countSlots(
  schedule: Schedule,
  afterMs: number,
  untilMs: number,
  countMax: number,
): SlotCount {
  let slots = 0;
  let first: number | undefined;
  let lastMs = afterMs;
  for (let slot = schedule.next(afterMs); slot !== undefined && slot.scheduledMs <= untilMs;) {
    first ??= slot.scheduledMs;
    lastMs = slot.scheduledMs;
    slots += 1;
    if (slots >= countMax && lastMs < untilMs) {
      const distanceMs = slots < 2 ? untilMs - lastMs : (lastMs - first) / (slots - 1);
      return { slots: slots + Math.max(1, Math.round((untilMs - lastMs) / distanceMs)), isCounted: false };
    }
    slot = schedule.next(lastMs);
  }
  return { slots, isCounted: true };
}

/** The newest slot after `afterMs`, scheduled by `byMs`, for which the condition holds. */
function newest(
  schedule: Schedule,
  afterMs: number,
  byMs: number,
  holds: (slot: Slot) => boolean,
): Slot | undefined {
  for (let reachMs = firstReachMs; ; reachMs *= reachFactor) {
    const fromMs = Math.max(afterMs, byMs - reachMs);
    let found: Slot | undefined;
    for (let slot = schedule.next(fromMs); slot !== undefined && slot.scheduledMs <= byMs;) {
      if (holds(slot)) found = slot;
      slot = schedule.next(slot.scheduledMs);
    }
    if (found !== undefined || fromMs <= afterMs) return found;
  }
}
