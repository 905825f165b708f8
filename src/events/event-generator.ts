/**
 * Events on behalf of the platform and of code that holds a sensor's definition, through the same door
 * as every other source.
 */
import type { Queryable } from "../database/database.ts";
import { rowOf, rowsOf } from "../database/statement.ts";
import { getEvent, getRecentEvents, type StoredEvent } from "../database/statements/events.ts";
import type { SensorDefinition, TriggerDefinition } from "../model/definitions.ts";
import type { Id } from "../model/identifiers.ts";
import type { EventSink, EventSource } from "../model/sensors/incoming-event.ts";
import type { JsonObject } from "../model/json/json.ts";

export class EventGenerator {
  readonly #database: Queryable;
  readonly #sink: EventSink;

  constructor(database: Queryable, sink: EventSink) {
    this.#database = database;
    this.#sink = sink;
  }

  /**
   * Stores an event that a sensor is the source of, outside any assignment.
   *
   * @throws when the event can never be stored, with the reason
   */
  async generateEvent(
    sensor: SensorDefinition,
    trigger: TriggerDefinition,
    payload: JsonObject,
  ): Promise<Id> {
    return await this.#generate(trigger.ref, payload, {
      sensorId: sensor.id,
      sensorRef: sensor.ref,
      sensorConfig: sensor.config,
      term: null,
    });
  }

  /** Stores an event without a source: something the platform itself noticed. */
  async generateSystemEvent(trigger: Pick<TriggerDefinition, "ref">, payload: JsonObject): Promise<Id> {
    return await this.#generate(trigger.ref, payload, null);
  }

  async getEvent(eventId: Id): Promise<StoredEvent | undefined> {
    return await rowOf(this.#database, getEvent, { id: eventId });
  }

  /** The newest events of a trigger, newest first. */
  async getRecentEvents(triggerRef: string, limit: number): Promise<readonly StoredEvent[]> {
    return await rowsOf(this.#database, getRecentEvents, { triggerRef, countMax: limit });
  }

  async #generate(triggerRef: string, payload: JsonObject, source: EventSource | null): Promise<Id> {
    const outcome = await this.#sink.accept({
      triggerRef,
      payload,
      source,
      triggerInstanceId: null,
      dedupKey: null,
      occurredAt: null,
      checkpoint: undefined,
    });
    switch (outcome.kind) {
      case "stored":
      case "duplicate":
        return outcome.eventId;
      case "fenced":
        throw new Error(`the event of ${triggerRef} was not stored: its assignment is no longer held`);
      case "refused":
        throw new Error(`the event of ${triggerRef} was not stored: ${outcome.reason}`);
    }
  }
}
