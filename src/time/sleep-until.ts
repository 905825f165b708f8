import type { Clock } from "./clock.ts";

/** A timer lasts at most 2^31 - 1 milliseconds; longer waits use several. */
const sleepMsMax = 86_400_000;

/**
 * The wall clock may jump, so a wait for an instant of it consists of shorter ones: each a hundredth of what is left, within
 * these limits. Many sensors wait for the end of their tokens at the same time, mostly for hours.
 */
const wallSleepMs = { min: 30_000, max: 300_000 };

/** Resolves at that time on the monotonic clock, or at once when the signal aborts; infinity is allowed. */
export async function sleepUntil(targetMs: number, clock: Clock, signal: AbortSignal): Promise<void> {
  for (;;) {
    const waitMs = targetMs - clock.monotonicMs();
    if (waitMs <= 0 || signal.aborted) return;
    await clock.sleep(Math.min(waitMs, sleepMsMax), signal);
  }
}

/** Resolves at that time of the wall clock, in milliseconds since the epoch, or at once when the signal aborts. */
export async function sleepUntilWallTime(
  instantMs: number,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    const waitMs = instantMs - clock.nowMs();
    if (waitMs <= 0 || signal.aborted) return;
    const stepMs = Math.min(Math.max(waitMs / 100, wallSleepMs.min), wallSleepMs.max);
    await clock.sleep(Math.min(waitMs, stepMs), signal);
  }
}
