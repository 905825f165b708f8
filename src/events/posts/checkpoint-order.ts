/**
 * Keeps the checkpoints of a sensor in order whose posts reach several agents.
 *
 * The id of an entry decides whether its checkpoint is newer than the stored one, and agents reserve ids in blocks. Of a sensor
 * that posts to one agent and then to another, the second may hold lower ids. So before a checkpoint enters the pipeline, the
 * id of the stored one is read, and the ids that this agent holds are given up if they are not above it.
 *
 * The reads of one sensor follow each other, so that its posts enter in the order of their arrival.
 */
import type { Queryable } from "../../database/database.ts";
import { rowOf } from "../../database/statement.ts";
import { readCheckpointEvent } from "../../database/statements/source-sensor.ts";
import type { Id } from "../../model/identifiers.ts";
import type { AssignedSource } from "../entries.ts";

export interface CheckpointOrderOptions {
  readonly database: Queryable;
  /** Ids from now on must be above this one. */
  readonly raiseIds: (above: Id) => void;
}

export class CheckpointOrder {
  readonly #options: CheckpointOrderOptions;
  readonly #turns = new Map<Id, Promise<void>>();

  constructor(options: CheckpointOrderOptions) {
    this.#options = options;
  }

  /** Rejects when the database does not answer. */
  async prepare(source: AssignedSource): Promise<void> {
    const { sensorId } = source;
    const turn = this.#after(this.#turns.get(sensorId), source);
    this.#turns.set(sensorId, turn);
    try {
      await turn;
    } finally {
      if (this.#turns.get(sensorId) === turn) this.#turns.delete(sensorId);
    }
  }

  async #after(earlier: Promise<void> | undefined, { sensorId, term }: AssignedSource): Promise<void> {
    // Its failure is its own request's.
    await earlier?.catch(() => {});
    const { database, raiseIds } = this.#options;
    const stored = await rowOf(database, readCheckpointEvent, { sensorId, instance: term.instance });
    if (stored !== undefined) raiseIds(stored);
  }
}
