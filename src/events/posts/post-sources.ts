/**
 * Sensors in whose name events are posted, as sources of these events.
 *
 * Their rows are kept for a while, so that a post costs no read of its own. A change of any sensor lets all be read anew;
 * the time limit is for a notification that was lost.
 */
import type { Queryable } from "../../database/database.ts";
import { rowOf } from "../../database/statement.ts";
import { readSourceSensor } from "../../database/statements/source-sensor.ts";
import type { EventSource } from "../../model/sensors/incoming-event.ts";
import type { PostOrigin } from "../../model/sensors/posted-event.ts";
import type { Clock } from "../../time/clock.ts";

export interface PostSourcesOptions {
  readonly database: Queryable;
  readonly clock: Clock;
}

/** Undefined: there is no such sensor. Null: no sensor was named. */
export type Found = EventSource | null | undefined;

interface Kept {
  readonly readAtMs: number;
  /** The source itself once it has been read. */
  source: Promise<Found> | Found;
}

const keptMs = 10_000;
const keptMax = 1_000;

export class PostSources {
  readonly #options: PostSourcesOptions;
  readonly #kept = new Map<string, Kept>();

  constructor(options: PostSourcesOptions) {
    this.#options = options;
  }

  /** A promise only if it has to be read; it rejects when the database does not answer. */
  of(origin: PostOrigin): Promise<Found> | Found {
    const sensorRef = origin.kind === "sensor" ? origin.grant.sensorRef : origin.sensorRef;
    if (sensorRef === null) return null;
    const term = origin.kind === "sensor" ? origin.grant.term : null;
    const key = JSON.stringify([sensorRef, term?.instance, term?.generation]);
    const nowMs = this.#options.clock.monotonicMs();
    const known = this.#kept.get(key);
    if (known !== undefined && nowMs - known.readAtMs < keptMs) return known.source;

    const read = this.#read(sensorRef).then((sensor) => sensor && { ...sensor, term });
    const kept: Kept = { readAtMs: nowMs, source: read };
    this.#keep(key, kept);
    read.then(
      (source) => (kept.source = source),
      () => {
        if (this.#kept.get(key) === kept) this.#kept.delete(key);
      },
    );
    return read;
  }

  /** A sensor has changed. */
  wake(): void {
    this.#kept.clear();
  }

  #keep(key: string, kept: Kept): void {
    this.#kept.delete(key);
    this.#kept.set(key, kept);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > keptMax && oldest !== undefined) this.#kept.delete(oldest);
  }

  async #read(sensorRef: string): Promise<Omit<EventSource, "term"> | undefined> {
    return await rowOf(this.#options.database, readSourceSensor, sensorRef);
  }
}
