/**
 * Waiting for a database that does not answer: said once when it begins and once when it ends, with
 * growing pauses between, bounded only by whoever stops the service.
 */
import { databaseFailureReason } from "../database/explain-failure.ts";
import { backoffDelayMs } from "../model/sensors/backoff.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { PartHealth } from "../telemetry/part-health.ts";
import type { Clock } from "../time/clock.ts";

export interface StorageRetryOptions {
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: () => number;
}

const backoffLimits = { delayMsFirst: 100, delayMsMax: 5_000 };
/** One failure that the next attempt makes good is no state worth telling. */
const failuresTold = 2;

export class StorageRetry {
  readonly #options: StorageRetryOptions;
  /** Attempts in a row that failed, with nothing stored in between. */
  #failures = 0;
  #reason = "";
  #isTold = false;
  #changedAtMs: number;
  #storedAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: StorageRetryOptions) {
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
  async untilAnswered<Result>(work: () => Promise<Result>, signal: AbortSignal): Promise<Result> {
    for (;;) {
      try {
        return await work();
      } catch (error) {
        await this.pauseAfter(error, signal);
      }
    }
  }

  /** When a batch was last stored, on the monotonic clock. */
  get storedAtMs(): number {
    return this.#storedAtMs;
  }

  /** An attempt to store a batch failed, and is not repeated as it was. */
  note(error: unknown): void {
    this.#failures += 1;
    this.#reason = databaseFailureReason(error);
    this.#changedAtMs = this.#options.clock.monotonicMs();
  }

  /** @throws once the signal aborts */
  async pauseAfter(error: unknown, signal: AbortSignal): Promise<void> {
    const { clock, random, logger } = this.#options;
    this.note(error);
    if (!this.#isTold) {
      this.#isTold = true;
      logger.warn(
        { error },
        "could not store events; they wait, and sensors with them, until the database answers",
      );
    }
    await clock.sleep(backoffDelayMs(this.#failures, backoffLimits, random()), signal);
    signal.throwIfAborted();
  }

  /** Events were stored. */
  recovered(): void {
    this.#changedAtMs = this.#options.clock.monotonicMs();
    this.#storedAtMs = this.#changedAtMs;
    if (this.#isTold)
      this.#options.logger.info({ failures: this.#failures }, "events are being stored again");
    this.#isTold = false;
    this.#failures = 0;
  }
}
