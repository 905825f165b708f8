/** A batch of events as the statement that stores it reads it, and what it answers. */
import type { Id } from "../../model/identifiers.ts";
import type { EventColumns } from "./event-columns.ts";

export interface BatchToStore {
  readonly events: EventColumns;
  /** JSON array of sources: n number, trigger, trigger_ref, config, sensor, sensor_ref, generation (null: unguarded). */
  readonly sources: string;
  /** JSON array of matches: i enforcement id, m message id, e event id, rule, rule_ref, a action, ar action_ref, config, condition, conditions. */
  readonly matches: string;
  /** JSON array of checkpoints: sensor, generation, event that carries it, value. */
  readonly checkpoints: string;
  /** The assignments that the events come from. */
  readonly terms: readonly TermToHold[];
  /** JSON object: the revision of each trigger of its events, by ref, that they were matched at. */
  readonly triggerRevisions: string;
  /** If all its events have the same trigger and source, and all its entries the same assignment: this again, value by value. */
  readonly soleSource: SoleSource | undefined;
  /** The instance that publishes the messages. */
  readonly publisherInstance: string;
}

export interface TermToHold {
  readonly sensorId: Id;
  readonly generation: Id;
  readonly instance: string;
}

export interface SoleSource {
  readonly triggerId: Id;
  readonly triggerRef: string;
  /** The revision of the trigger that the events were matched at. */
  readonly triggerRevision: Id;
  /** JSON. */
  readonly config: string;
  readonly sensorId: Id | null;
  readonly sensorRef: string | null;
  /** Null: the events come from no assignment. */
  readonly term: Pick<TermToHold, "generation" | "instance"> | null;
}

export interface StoredBatch {
  /** False if a trigger of its events or a rule on one has changed since; then nothing was stored. */
  readonly isCurrent: boolean;
  /** The assignments that are still held, as `sensor:generation`. */
  readonly heldTerms: readonly string[];
  /** The events that were stored; null if all were. */
  readonly storedIds: readonly Id[] | null;
  readonly storedAt: Date;
}
