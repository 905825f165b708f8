/**
 * Sends a worker's heartbeats and marks dead workers inactive.
 *
 * A renewal of the worker's lease writes a heartbeat along with it (scheduling/lease-renewal.ts). So a heartbeat of its own is
 * sent only if no renewal has succeeded for `intervalMs`, or if the lock on the worker's name was lost.
 *
 * Losing and regaining the database are each logged once, not at every heartbeat. If the worker is
 * superseded, the loop ends and the service decides what follows. A new database session wakes the loop,
 * because the lock on the worker's name was lost with the old one and the next heartbeat takes it again.
 */
import { WakeableLoop } from "../concurrency/wakeable-loop.ts";
import type { Logger } from "../telemetry/logger.ts";
import { OutageLog } from "../telemetry/outage-log.ts";
import type { Clock } from "../time/clock.ts";
import type { HeartbeatOutcome, SensorWorkerRegistration } from "./sensor-worker-registration.ts";

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
  readonly #outage: OutageLog;
  #beats = 0;
  /** When the row last got a heartbeat. */
  #refreshedAtMs = -Infinity;
  /** When a heartbeat was last sent. */
  #triedAtMs = -Infinity;

  constructor(options: HeartbeatLoopOptions) {
    this.#options = options;
    const { intervalMs, clock, logger } = options;
    this.#outage = new OutageLog(
      { begins: "could not send the heartbeat; trying again", ends: "the heartbeat works again" },
      options,
    );
    this.#loop = new WakeableLoop({
      step: () => this.#beat(),
      intervalMs: () => {
        const lastAtMs = Math.max(this.#refreshedAtMs, this.#triedAtMs);
        return Math.max(lastAtMs + intervalMs - clock.monotonicMs(), 1);
      },
      retryDelayMs: () => intervalMs,
      onFailure: (error) => logger.error({ error }, "the heartbeat failed"),
      clock,
    });
  }

  /** Requests a heartbeat now. */
  wake(): void {
    this.#loop.wake();
  }

  /** The renewal of the lease has written a heartbeat. */
  noteRenewed(): void {
    this.#refreshedAtMs = this.#options.clock.monotonicMs();
  }

  /** Runs until the signal aborts or the worker is superseded. */
  run(signal: AbortSignal): Promise<void> {
    return this.#loop.run(AbortSignal.any([signal, this.#superseded.signal]));
  }

  async #beat(): Promise<void> {
    const { registration, onSuperseded, logger } = this.#options;
    const outcome = await this.#refresh();
    switch (outcome.kind) {
      case "superseded":
        this.#superseded.abort();
        onSuperseded();
        break;
      case "unreachable":
        this.#outage.failed({ error: outcome.error });
        break;
      case "alive":
        this.#outage.recovered();
        // A worker counts as stale after three heartbeats.
        if (this.#beats % 3 === 0) await markStale(registration, logger);
        this.#beats += 1;
    }
  }

  async #refresh(): Promise<HeartbeatOutcome> {
    const { registration, intervalMs, clock } = this.#options;
    const askedAtMs = clock.monotonicMs();
    if (askedAtMs - this.#refreshedAtMs < intervalMs && registration.isNameLocked()) return { kind: "alive" };
    this.#triedAtMs = askedAtMs;
    const outcome = await registration.heartbeat();
    if (outcome.kind === "alive") this.#refreshedAtMs = askedAtMs;
    return outcome;
  }
}

async function markStale(registration: SensorWorkerRegistration, logger: Logger): Promise<void> {
  try {
    for (const { name, host } of await registration.markStaleWorkers()) {
      logger.warn({ worker: name, host }, "marked a worker inactive that sent no heartbeat");
    }
  } catch (error) {
    // The next heartbeat retries, and logs if the database is unreachable.
    logger.debug({ error }, "could not look for stale workers");
  }
}
