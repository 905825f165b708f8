/**
 * Deletes old rows of the webhooks' tables: of the delivery log those that are too old or too many, full rate buckets, and nonces
 * whose signatures are no longer accepted.
 *
 * It deletes a few rows at a time, so that no statement takes long. An agent that wrote to the log looks every minute, and every
 * agent looks at its start and once an hour. Of several agents one deletes from the log.
 */
import type { Queryable } from "../database/database.ts";
import { rowOf } from "../database/statement.ts";
import { forgetDeliveries } from "../database/statements/webhook-deliveries.ts";
import { forgetNonces, forgetRates } from "../database/statements/webhook-limits.ts";
import type { Logger } from "../telemetry/logger.ts";
import { OutageLog } from "../telemetry/outage-log.ts";
import type { Clock } from "../time/clock.ts";

export interface WebhookRetentionOptions {
  readonly database: Queryable;
  readonly keptSeconds: number;
  readonly rowsMax: number;
  /** Whether this agent has written something since it was last asked. */
  readonly hasWritten: () => boolean;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: () => number;
}

const lookMs = 60_000;
const looksPerHour = 60;
const rowsPerStatement = 1_000;
const pauseMs = 100;

export class WebhookRetention {
  readonly #options: WebhookRetentionOptions;
  readonly #outage: OutageLog;

  constructor(options: WebhookRetentionOptions) {
    this.#options = options;
    this.#outage = new OutageLog(
      {
        begins: "could not delete old rows of webhooks; it is tried again",
        ends: "deleting old rows of webhooks works again",
      },
      options,
    );
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, random, hasWritten } = this.#options;
    // Agents that start together do not look together.
    await clock.sleep(lookMs * random(), signal);
    for (let looks = 0; !signal.aborted; looks += 1) {
      if (hasWritten() || looks % looksPerHour === 0) await this.#deleteOld(signal);
      await clock.sleep(lookMs, signal);
    }
  }

  async #deleteOld(signal: AbortSignal): Promise<void> {
    const { database, keptSeconds, rowsMax, clock } = this.#options;
    const steps = [
      () => rowOf(database, forgetDeliveries, { keptSeconds, rowsMax, countMax: rowsPerStatement }),
      () => rowOf(database, forgetRates, rowsPerStatement),
      () => rowOf(database, forgetNonces, rowsPerStatement),
    ];
    try {
      for (const step of steps) {
        while (!signal.aborted && ((await step()) ?? 0) >= rowsPerStatement)
          await clock.sleep(pauseMs, signal);
      }
      this.#outage.recovered();
    } catch (error) {
      this.#outage.failed({ error });
    }
  }
}
