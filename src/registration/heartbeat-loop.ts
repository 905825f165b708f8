/**
 * Keeps a worker's heartbeat going, and marks the dead among the others.
 *
 * A database that is away is reported when it goes and when it comes back, not at every beat. Being
 * superseded ends the loop: what then is for the service to decide.
 */
import type { Logger } from "../telemetry/logger.ts";
import type { Clock } from "../time/clock.ts";
import type { SensorWorkerRegistration } from "./sensor-worker-registration.ts";

export interface HeartbeatLoopOptions {
  readonly registration: SensorWorkerRegistration;
  readonly intervalMs: number;
  readonly onSuperseded: () => void;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Runs until the signal aborts or the worker is superseded. */
export async function keepHeartbeat(options: HeartbeatLoopOptions, signal: AbortSignal): Promise<void> {
  const { registration, intervalMs, onSuperseded, clock, logger } = options;
  let isReachable = true;
  while (!signal.aborted) {
    await clock.sleep(intervalMs, signal);
    if (signal.aborted) return;

    const outcome = await registration.heartbeat();
    switch (outcome.kind) {
      case "superseded":
        onSuperseded();
        return;
      case "unreachable":
        if (isReachable) logger.warn({ error: outcome.error }, "could not send the heartbeat; trying again");
        isReachable = false;
        break;
      case "alive":
        if (!isReachable) logger.info({}, "the heartbeat works again");
        isReachable = true;
        await markStale(registration, logger);
    }
  }
}

async function markStale(registration: SensorWorkerRegistration, logger: Logger): Promise<void> {
  try {
    for (const { name, host } of await registration.markStaleWorkers()) {
      logger.warn({ worker: name, host }, "marked a worker inactive that gave no sign of life");
    }
  } catch (error) {
    // The next beat tries again, and says so if the database is away.
    logger.debug({ error }, "could not look for stale workers");
  }
}
