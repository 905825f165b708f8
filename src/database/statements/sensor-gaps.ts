/**
 * Times in which nothing ran a sensor that should run. Triggers write them (migration note_sensor_gaps), except for those of
 * sensors that no worker can run (note_unplaced_sensors).
 */
import type { Id } from "../../model/identifiers.ts";
import { equalities, type HistoryCondition, type HistoryTable } from "../history.ts";
import type { Statement } from "../statement.ts";

export const gapCauses = ["released", "lost", "ended", "unplaced"] as const;

export interface GapEntry {
  readonly id: Id;
  readonly sensorRef: string;
  /** Its worker released it, its worker was lost, its process exited on its own, or no worker could run it. */
  readonly cause: (typeof gapCauses)[number];
  /** Why the process ended, or why no worker could run it. */
  readonly detail: string | null;
  readonly fromWorker: string | null;
  /** Null: none yet. */
  readonly toWorker: string | null;
  /** Null: unknown. Of a lost worker it is the last renewal of its lease, so the gap may have begun later. */
  readonly beganAt: Date | null;
  /** Null: it lasts, or the sensor was not to run any more. */
  readonly endedAt: Date | null;
  /** Nothing runs the sensor now, and it should run. */
  readonly isOpen: boolean;
  /** Until its end, or until now if it is open; null: unknown. */
  readonly seconds: number | null;
  readonly createdAt: Date;
}

const isOpen = "(ended_at is null and is_sensor_wanted(sensor))";

export const gapTable: HistoryTable<GapEntry> = {
  name: "sensor_gap",
  columns: `id, sensor_ref, cause, detail, from_worker, to_worker, began_at, ended_at, created, ${isOpen} as is_open,
            extract(epoch from coalesce(ended_at, case when ${isOpen} then greatest(clock_timestamp(), began_at) end)
                               - began_at)::float8 as seconds`,
  decode: (row) => ({
    id: row.id("id"),
    sensorRef: row.text("sensor_ref"),
    cause: row.word("cause", gapCauses),
    detail: row.textOrNull("detail"),
    fromWorker: row.textOrNull("from_worker"),
    toWorker: row.textOrNull("to_worker"),
    beganAt: row.instantOrNull("began_at"),
    endedAt: row.instantOrNull("ended_at"),
    isOpen: row.boolean("is_open"),
    seconds: row.numberOrNull("seconds"),
    createdAt: row.instant("created"),
  }),
};

export interface UnplacedSensor {
  readonly sensorId: Id;
  readonly reason: string;
}

/**
 * These sensors, and no others, run nowhere although they should. Begins, changes and ends their gaps.
 *
 * Waits for nobody: sensors and gaps that are locked are passed over. Returns a row if the gaps differed from the note, so
 * the note is complete once it returns none.
 */
export const noteUnplacedSensors: Statement<readonly UnplacedSensor[], "changing"> = {
  name: "note_unplaced_sensors",
  text: `
    select note_unplaced_sensors($1::bigint[], $2::text[])
     where exists (select
                     from unnest($1::bigint[], $2::text[]) as given (sensor, reason)
                     full join (select sensor, detail
                                  from sensor_gap
                                 where cause = 'unplaced'
                                   and ended_at is null) as noted
                         using (sensor)
                    where given.reason is distinct from noted.detail)`,
  values: (sensors) => [sensors.map(({ sensorId }) => sensorId), sensors.map(({ reason }) => reason)],
  decode: () => "changing",
};

/** Null: any. */
export interface GapFilter {
  readonly sensorRef: string | null;
  readonly cause: GapEntry["cause"] | null;
}

export function gapConditions({ sensorRef, cause }: GapFilter): readonly HistoryCondition[] {
  return equalities({ sensor_ref: sensorRef, cause }, { isIndexed: false });
}
