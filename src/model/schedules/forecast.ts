import type { Slot } from "./schedule.ts";
import type { TimerPlan } from "./timer-plan.ts";

/**
 * The next slots that will fire, as far as that is known: not those of a pause, and no more than `max_fires` allows.
 *
 * @param executionCount how often the timer has fired
 */
export function nextFires(
  { schedule, pausedUntilMs, firesMax }: TimerPlan,
  { afterMs, executionCount }: { readonly afterMs: number; readonly executionCount: number },
  countMax: number,
): readonly Slot[] {
  const fires: Slot[] = [];
  const left = Math.min(countMax, (firesMax ?? Number.POSITIVE_INFINITY) - executionCount);
  let fromMs = Math.max(afterMs, (pausedUntilMs ?? Number.NEGATIVE_INFINITY) - 1);
  while (fires.length < left) {
    const slot = schedule.next(fromMs);
    if (slot === undefined) break;
    fires.push(slot);
    fromMs = slot.scheduledMs;
  }
  return fires;
}

/** An instant as the zone's clock shows it, with its offset: `2026-12-24T02:30:00+01:00`. */
export function localText(ms: number, zone: string): string {
  const local = Temporal.Instant.fromEpochMilliseconds(ms).toZonedDateTimeISO(zone);
  return local.toString({ timeZoneName: "never", calendarName: "never" });
}
