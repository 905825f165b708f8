/**
 * Waiting for a database that does not answer: said once when it begins and once when it ends, with
 * growing pauses between, bounded only by whoever stops the service.
 */
import { backoffDelayMs } from "../model/backoff.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Clock } from "../time/clock.ts";

export interface PatienceOptions {
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: () => number;
}

const retryLimits = { delayMsFirst: 100, delayMsMax: 5_000 };

export class Patience {
  readonly #options: PatienceOptions;
  /** Attempts in a row that failed for want of a database. */
  #failures = 0;

  constructor(options: PatienceOptions) {
    this.#options = options;
  }

  /** Repeats something that reads or reserves until the database answers; throws only once the signal aborts. */
  async persist<Result>(work: () => Promise<Result>, signal: AbortSignal): Promise<Result> {
    for (;;) {
      try {
        return await work();
      } catch (error) {
        await this.pauseAfter(error, signal);
      }
    }
  }

  /** @throws once the signal aborts */
  async pauseAfter(error: unknown, signal: AbortSignal): Promise<void> {
    const { clock, random, logger } = this.#options;
    this.#failures += 1;
    if (this.#failures === 1) {
      logger.warn(
        { error },
        "could not store events; they wait, and sensors with them, until the database answers",
      );
    }
    await clock.sleep(backoffDelayMs(this.#failures, retryLimits, random()), signal);
    signal.throwIfAborted();
  }

  /** Events were stored. */
  recovered(): void {
    if (this.#failures === 0) return;
    this.#options.logger.info({ failures: this.#failures }, "events are being stored again");
    this.#failures = 0;
  }
}
