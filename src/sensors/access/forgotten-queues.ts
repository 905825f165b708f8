/**
 * Deletes queues of sensors that no longer exist or should no longer run.
 *
 * The worker that stops a sensor deletes its queue at once. This is for sensors that were deleted or disabled while no agent
 * ran, or whose worker was killed. Every agent looks at its start and once a minute; the lock of a queue's row leaves each to
 * one of them, and keeps the sensor from being prepared meanwhile (database/statements/sensor-queues.ts).
 *
 * A queue is deleted only if agents prepared it for this database, on this broker and exchange, and it has no consumer.
 * Even so, nothing is lost if another program wants it: every start of a sensor declares and empties its queue first.
 */
import type { Database } from "../../database/database.ts";
import { rowOf, rowsOf } from "../../database/statement.ts";
import {
  forgetSensorQueue,
  isQueueForgotten,
  lockForgottenQueue,
} from "../../database/statements/sensor-queues.ts";
import type { QueueRemoval, SensorQueues } from "../../messaging/sensor-queues.ts";
import { reportedLoop } from "../../telemetry/reported-loop.ts";
import type { Logger } from "../../telemetry/logger.ts";
import type { Clock } from "../../time/clock.ts";

export interface ForgottenQueuesOptions {
  readonly database: Pick<Database, "transaction">;
  readonly queues: Pick<SensorQueues, "home" | "removeForgotten">;
  readonly exchange: string;
  /** While the broker is not, nothing is tried and nothing reported. */
  readonly isBrokerUp: () => boolean;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: () => number;
}

const lookMs = 60_000;
/** Until the broker is connected for the first time. */
const soonMs = 1_000;
const retry = { delayMsFirst: 5_000, delayMsMax: lookMs };

export class ForgottenQueues {
  readonly #options: ForgottenQueuesOptions;

  constructor(options: ForgottenQueuesOptions) {
    this.#options = options;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { isBrokerUp } = this.#options;
    const loop = reportedLoop(
      {
        texts: {
          begins: "could not delete queues of sensors that no longer exist; trying again",
          ends: "queues of sensors that no longer exist are deleted again",
        },
        step: () => this.#step(signal),
        intervalMs: () => (isBrokerUp() ? lookMs : soonMs),
        retry,
      },
      this.#options,
    );
    await loop.run(signal);
  }

  async #step(signal: AbortSignal): Promise<void> {
    const { queues, isBrokerUp } = this.#options;
    if (!isBrokerUp()) return;
    const broker = await queues.home();
    let after: string | undefined = "";
    while (after !== undefined && !signal.aborted) after = await this.#next(broker, after);
  }

  /** Deletes the next queue after a ref, if it may; resolves with its sensor's ref, or undefined when there is none. */
  async #next(broker: string, after: string): Promise<string | undefined> {
    const { database, queues, exchange, logger } = this.#options;
    let removal: QueueRemoval | undefined;
    const sensorRef = await database.transaction(async (transaction) => {
      const next = await rowOf(transaction, lockForgottenQueue, { broker, exchange, after });
      if (next === undefined) return undefined;
      const queue = { sensorRef: next.sensorRef, broker };
      const now = await rowOf(transaction, isQueueForgotten, queue);
      if (now?.isForgotten !== true) return next.sensorRef;
      removal = await queues.removeForgotten(next.sensorRef);
      if (removal !== "in use") await rowsOf(transaction, forgetSensorQueue, queue);
      return next.sensorRef;
    });
    if (removal === "deleted") {
      logger.info(
        { sensor_ref: sensorRef },
        `deleted the queue of sensor ${sensorRef}, which no longer exists or should no longer run`,
      );
    }
    return sensorRef;
  }
}
