/**
 * Counts events that are refused because their sensor has passed to another worker, in the sensor's row, where every agent
 * can read them (`sensors explain`).
 *
 * Written some time after the batch that refused them, so it delays no event. What is not written yet when the process is
 * killed is lost.
 */
import { settlesWithin } from "../concurrency/settles-within.ts";
import { wokenIntervalMs, type WakeableLoop } from "../concurrency/wakeable-loop.ts";
import type { Queryable } from "../database/database.ts";
import { rowsOf } from "../database/statement.ts";
import { addFencedEvents } from "../database/statements/fenced-events.ts";
import type { Id } from "../model/identifiers.ts";
import type { EventSource } from "../model/sensors/incoming-event.ts";
import type { Logger } from "../telemetry/logger.ts";
import { reportedLoop } from "../telemetry/reported-loop.ts";
import type { Clock } from "../time/clock.ts";

export interface FencedEventsOptions {
  readonly database: Queryable;
  /** Of this process. */
  readonly instance: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: () => number;
}

/** Batches of a sensor that is fenced follow each other closely. */
const pauseMs = 500;
const retry = { delayMsFirst: 500, delayMsMax: 10_000 };
const lastWriteMs = 1_000;

export class FencedEvents {
  readonly #options: FencedEventsOptions;
  readonly #loop: WakeableLoop;
  readonly #unwritten = new Map<Id, number>();

  constructor(options: FencedEventsOptions) {
    this.#options = options;
    const { clock } = options;
    this.#loop = reportedLoop(
      {
        texts: {
          begins: "could not record how many events of lost sensors were refused; trying again",
          ends: "refused events of lost sensors are recorded again",
        },
        step: async (signal) => {
          await this.#write();
          await clock.sleep(pauseMs, signal);
        },
        intervalMs: wokenIntervalMs,
        retry,
      },
      options,
    );
  }

  note({ sensorId }: EventSource): void {
    this.#unwritten.set(sensorId, (this.#unwritten.get(sensorId) ?? 0) + 1);
    this.#loop.wake();
  }

  /** Until the signal aborts; then it writes what is left. */
  async run(signal: AbortSignal): Promise<void> {
    await this.#loop.run(signal);
    await settlesWithin(this.#write(), lastWriteMs);
  }

  /** One row at a time, because several at once could wait for each other with the reports of sensors. */
  async #write(): Promise<void> {
    const { database, instance } = this.#options;
    for (const [sensorId, events] of this.#unwritten) {
      await rowsOf(database, addFencedEvents, { sensorId, instance, events });
      const left = (this.#unwritten.get(sensorId) ?? 0) - events;
      if (left > 0) this.#unwritten.set(sensorId, left);
      else this.#unwritten.delete(sensorId);
    }
  }
}
