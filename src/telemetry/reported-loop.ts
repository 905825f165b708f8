/**
 * A loop that survives failures of its step: it retries with growing delays and logs each outage in two lines, one when it
 * begins and one when it ends.
 */
import { WakeableLoop, type WakeableLoopOptions } from "../concurrency/wakeable-loop.ts";
import { backoffDelayMs, type BackoffLimits } from "../model/sensors/backoff.ts";
import { OutageLog, type OutageTexts } from "./outage-log.ts";
import type { Clock } from "../time/clock.ts";
import type { Logger } from "./logger.ts";

export interface ReportedLoopOptions extends Pick<WakeableLoopOptions, "step" | "intervalMs"> {
  readonly texts: OutageTexts;
  readonly retry: BackoffLimits;
}

interface Surroundings {
  readonly clock: Clock;
  readonly logger: Pick<Logger, "info" | "warn">;
  readonly random: () => number;
}

export function reportedLoop(
  { step, intervalMs, texts, retry }: ReportedLoopOptions,
  { clock, logger, random }: Surroundings,
): WakeableLoop {
  const outage = new OutageLog(texts, { logger, clock });
  return new WakeableLoop({
    step,
    intervalMs,
    retryDelayMs: (failures) => backoffDelayMs(failures, retry, random()),
    onFailure: (error) => outage.failed({ error }),
    onRecovery: () => outage.recovered(),
    clock,
  });
}
