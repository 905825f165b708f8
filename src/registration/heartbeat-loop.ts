/**
 * Keeps a worker's heartbeat going, and marks the dead among the others.
 *
 * A database that is away is reported when it goes and when it comes back, not at every beat. Being
 * superseded ends the loop: what then is for the service to decide. It is woken when the database has a new
 * session, since the lock on the worker's name went with the old one and a beat takes it again.
 */
import { WakeableLoop } from "../concurrency/wakeable-loop.ts";
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

export class HeartbeatLoop {
  readonly #options: HeartbeatLoopOptions;
  readonly #loop: WakeableLoop;
  readonly #superseded = new AbortController();
  #isReachable = true;

  constructor(options: HeartbeatLoopOptions) {
    this.#options = options;
    const { intervalMs, clock, logger } = options;
    this.#loop = new WakeableLoop({
      step: () => this.#beat(),
      intervalMs,
      retryDelayMs: () => intervalMs,
      onFailure: (error) => logger.error({ error }, "the heartbeat failed"),
      clock,
    });
  }

  /** Asks for a beat now. */
  wake(): void {
    this.#loop.wake();
  }

  /** Runs until the signal aborts or the worker is superseded. */
  run(signal: AbortSignal): Promise<void> {
    return this.#loop.run(AbortSignal.any([signal, this.#superseded.signal]));
  }

  async #beat(): Promise<void> {
    const { registration, onSuperseded, logger } = this.#options;
    const outcome = await registration.heartbeat();
    switch (outcome.kind) {
      case "superseded":
        this.#superseded.abort();
        onSuperseded();
        break;
      case "unreachable":
        if (this.#isReachable)
          logger.warn({ error: outcome.error }, "could not send the heartbeat; trying again");
        this.#isReachable = false;
        break;
      case "alive":
        if (!this.#isReachable) logger.info({}, "the heartbeat works again");
        this.#isReachable = true;
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
