/**
 * Waiting for a database that does not answer: said once when it begins and once when it ends, with
 * growing pauses between, bounded only by whoever stops the service.
 */
import { databaseFailureReason } from "../database/explain-failure.ts";
import { backoffDelayMs } from "../model/backoff.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { PartHealth } from "../telemetry/part-health.ts";
import type { Clock } from "../time/clock.ts";

export interface PatienceOptions {
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: () => number;
}

const retryLimits = { delayMsFirst: 100, delayMsMax: 5_000 };
/** One failure that the next attempt makes good is no state worth telling. */
const failuresTold = 2;

export class Patience {
  readonly #options: PatienceOptions;
  /** Attempts in a row that failed for want of a database. */
  #failures = 0;
  #reason = "";
  #changedAtMs: number;

  constructor(options: PatienceOptions) {
    this.#options = options;
    this.#changedAtMs = options.clock.monotonicMs();
  }

  /** Whether an event that came now would be stored, as far as the last attempt tells. */
  health(): PartHealth {
    const checkedAtMs = this.#changedAtMs;
    if (this.#failures < failuresTold) return { state: "up", detail: "events are stored", checkedAtMs };
    const detail = `${this.#failures} attempts in a row to store events failed, the last because: ${this.#reason}; events wait`;
    return { state: "down", detail, checkedAtMs };
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
    this.#reason = databaseFailureReason(error);
    this.#changedAtMs = clock.monotonicMs();
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
    this.#changedAtMs = this.#options.clock.monotonicMs();
    if (this.#failures === 0) return;
    this.#options.logger.info({ failures: this.#failures }, "events are being stored again");
    this.#failures = 0;
  }
}
