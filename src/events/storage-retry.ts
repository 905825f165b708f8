/**
 * Waiting for a database that does not answer, with growing pauses, until it does or the service is stopped. The outage is
 * logged when it begins and when it ends.
 */
import { databaseFailureReason } from "../database/explain-failure.ts";
import { backoffDelayMs } from "../model/sensors/backoff.ts";
import { counted } from "../model/texts/counted.ts";
import type { Logger } from "../telemetry/logger.ts";
import { OutageLog } from "../telemetry/outage-log.ts";
import type { PartHealth } from "../telemetry/part-health.ts";
import type { Clock } from "../time/clock.ts";

export interface StorageRetryOptions {
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: () => number;
}

/** Clients of POST /events wait for some seconds: a database that is back must not go unnoticed for most of them. */
const backoffLimits = { delayMsFirst: 100, delayMsMax: 1_000 };
/** A single failure that the next attempt makes good does not make the part unhealthy … */
const failuresOfOutage = 2;
/** … unless the attempt took so long. A batch of ordinary events takes milliseconds; beyond this, something is in its way. */
export const slowBatchMs = 10_000;

export class StorageRetry {
  readonly #options: StorageRetryOptions;
  /** Attempts in a row that failed, with nothing stored in between. */
  #failures = 0;
  /** Whether one of them was slow. */
  #hasHung = false;
  #reason = "";
  readonly #outage: OutageLog;
  #changedAtMs: number;
  #storedAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: StorageRetryOptions) {
    this.#options = options;
    this.#outage = new OutageLog(
      {
        begins: "could not store events; they wait, and sensors with them, until the database answers",
        ends: "events are being stored again",
      },
      options,
    );
    this.#changedAtMs = options.clock.monotonicMs();
  }

  /** Whether an event that came now would be stored, as far as the last attempt tells. */
  health(): PartHealth {
    const checkedAtMs = this.#changedAtMs;
    if (this.#failures < failuresOfOutage && !this.#hasHung)
      return { state: "up", detail: "events are stored", checkedAtMs };
    const attempts = counted(this.#failures, "attempt");
    const detail = `${attempts} in a row to store events failed, the last because: ${this.#reason}; events wait`;
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
  note(error: unknown, tookMs = 0): void {
    this.#failures += 1;
    this.#hasHung ||= tookMs >= slowBatchMs;
    this.#reason = databaseFailureReason(error);
    this.#changedAtMs = this.#options.clock.monotonicMs();
  }

  /** @throws once the signal aborts */
  async pauseAfter(error: unknown, signal: AbortSignal, tookMs = 0): Promise<void> {
    const { clock, random } = this.#options;
    this.note(error, tookMs);
    this.#outage.failed({ error }, this.#reason);
    await clock.sleep(backoffDelayMs(this.#failures, backoffLimits, random()), signal);
    signal.throwIfAborted();
  }

  /** Events were stored. */
  recovered(): void {
    this.#changedAtMs = this.#options.clock.monotonicMs();
    this.#storedAtMs = this.#changedAtMs;
    this.#outage.recovered();
    this.#failures = 0;
    this.#hasHung = false;
  }
}
