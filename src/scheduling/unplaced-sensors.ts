/**
 * The sensors that should run and run nowhere, as the last placing of this worker found them: logged, and noted in the
 * database, which also keeps since when they have run nowhere.
 */
import type { Queryable } from "../database/database.ts";
import { rowsOf } from "../database/statement.ts";
import { noteUnplacedSensors } from "../database/statements/sensor-gaps.ts";
import type { Id } from "../model/identifiers.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { SensorObstacles } from "./waiting-sensors.ts";

export interface UnplacedSensorsOptions {
  readonly database: Queryable;
  readonly logger: Logger;
}

/** How many are noted, those with the lowest ids. */
const notedMax = 1_000;
/** Of sensors that run nowhere for the same reason, those in the log. */
const namedMax = 10;

export class UnplacedSensors {
  readonly #options: UnplacedSensorsOptions;
  #reasons: ReadonlyMap<Id, string> = new Map();
  /** The sensors and reasons that the database was last seen to have noted; undefined: unknown. */
  #noted: string | undefined;

  constructor(options: UnplacedSensorsOptions) {
    this.#options = options;
  }

  /** How many the last report had. */
  get count(): number {
    return this.#reasons.size;
  }

  /** Others may have noted something else. */
  forgetNote(): void {
    this.#noted = undefined;
  }

  /**
   * Logs why sensors that should run run nowhere, once and again when the reason changes: one line for each reason, because
   * all that a fleet has no room for have the same.
   */
  report(unplaced: ReadonlyMap<Id, SensorObstacles>): void {
    const reasons = new Map<Id, string>();
    // Many sensors share the same obstacles.
    const texts = new Map<readonly string[], string>();
    const changed = new Map<string, string[]>();
    for (const [sensorId, { ref, obstacles }] of unplaced) {
      const reason = texts.get(obstacles) ?? obstacles.join("; ");
      texts.set(obstacles, reason);
      reasons.set(sensorId, reason);
      if (this.#reasons.get(sensorId) !== reason) changed.getOrInsertComputed(reason, () => []).push(ref);
    }
    this.#reasons = reasons;
    for (const [reason, refs] of changed) this.#log(reason, refs);
  }

  /**
   * Writes to the database what was last reported. What others have locked is passed over, so each round repeats the note
   * until one finds nothing to change.
   */
  async note(): Promise<void> {
    const { database, logger } = this.#options;
    const sensors = [...this.#reasons].slice(0, notedMax).map(([sensorId, reason]) => ({ sensorId, reason }));
    const text = JSON.stringify(sensors);
    if (text === this.#noted) return;
    try {
      const changing = await rowsOf(database, noteUnplacedSensors, sensors);
      this.#noted = changing.length === 0 ? text : undefined;
    } catch (error) {
      // Placing goes on without; the next round tries again.
      logger.debug({ error }, "could not note which sensors run nowhere");
    }
  }

  #log(reason: string, refs: readonly string[]): void {
    const { logger } = this.#options;
    const [ref = "", ...others] = refs;
    if (others.length === 0) {
      logger.warn({ sensor_ref: ref, reason }, `sensor ${ref} is not running: ${reason}`);
      return;
    }
    const named = refs.slice(0, namedMax);
    const names = `${named.join(", ")}${refs.length > namedMax ? ", …" : ""}`;
    logger.warn(
      { sensor_refs: named, sensors: refs.length, reason },
      `${refs.length} sensors (${names}) are not running: ${reason}`,
    );
  }
}
