/**
 * Where a sensor resumes: the newest checkpoint that was committed with its events.
 *
 * The database is asked at every start, because an operator may have changed or deleted the checkpoint. While the
 * database is unreachable, the last checkpoint that this worker saw committed is as good. Only if there is none does
 * the start wait, because a sensor must not start over by mistake.
 */
import type { Database } from "../database/database.ts";
import { rowOf } from "../database/statement.ts";
import { readCheckpoint } from "../database/statements/assigned-sensors.ts";
import type { Id } from "../model/identifiers.ts";
import type { JsonValue } from "../model/json/json.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Clock } from "../time/clock.ts";

export interface CommittedCheckpointOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly logger: Logger;
}

const retryMs = 1_000;

export class CommittedCheckpoint {
  readonly #sensorId: Id;
  readonly #options: CommittedCheckpointOptions;
  #known: { readonly value: JsonValue | undefined } | undefined;

  constructor(sensorId: Id, options: CommittedCheckpointOptions) {
    this.#sensorId = sensorId;
    this.#options = options;
  }

  /** An event with this checkpoint has been stored. */
  note(value: JsonValue): void {
    this.#known = { value };
  }

  /** @returns undefined if the sensor has none or the signal aborted */
  async newest(signal: AbortSignal): Promise<JsonValue | undefined> {
    const { database, clock, logger } = this.#options;
    while (!signal.aborted) {
      try {
        this.#known = { value: await rowOf(database, readCheckpoint, this.#sensorId) };
        break;
      } catch (error) {
        if (this.#known !== undefined) break;
        logger.debug({ error }, "could not read the sensor's checkpoint; trying again");
        await clock.sleep(retryMs, signal);
      }
    }
    return this.#known?.value;
  }
}
