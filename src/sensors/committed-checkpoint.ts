/**
 * Where a sensor resumes: the newest checkpoint that was committed with its events.
 *
 * The database is asked at every start, since an operator may have changed or deleted it. While the
 * database is away, what this worker itself has seen committed is as good. Only when nothing is known
 * yet does the start wait: a sensor must not begin all over by mistake.
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

  /** Undefined: the sensor has none, or the signal aborted. */
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
