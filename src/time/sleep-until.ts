import type { Clock } from "./clock.ts";

/** A timer lasts at most 2^31 - 1 milliseconds; longer waits use several. */
const sleepMsMax = 86_400_000;

/** Resolves at that time on the monotonic clock, or at once when the signal aborts; infinity is allowed. */
export async function sleepUntil(targetMs: number, clock: Clock, signal: AbortSignal): Promise<void> {
  for (;;) {
    const waitMs = targetMs - clock.monotonicMs();
    if (waitMs <= 0 || signal.aborted) return;
    await clock.sleep(Math.min(waitMs, sleepMsMax), signal);
  }
}
