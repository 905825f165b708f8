/** Events that a sensor's former worker submitted and that were refused, in the sensor's row of sensor_process. */
import type { Id } from "../../model/identifiers.ts";
import { noRows, type Statement } from "../statement.ts";

export interface NewFencedEvents {
  readonly sensorId: Id;
  /** Of the former worker's process. */
  readonly instance: string;
  readonly events: number;
}

/** They are counted from the first one after a day without any. */
export const addFencedEvents: Statement<NewFencedEvents, never> = {
  name: "add_fenced_events",
  text: `
    update sensor_process
       set fenced_events = $3::bigint + case when fenced_at > now() - interval '1 day' then fenced_events else 0 end,
           fenced_since = case when fenced_at > now() - interval '1 day' then fenced_since else now() end,
           fenced_at = now(),
           fenced_worker = (select name from worker where instance = $2)
     where sensor = $1`,
  values: ({ sensorId, instance, events }) => [sensorId, instance, events],
  decode: noRows,
};

export interface FencedEventCount {
  readonly events: number;
  readonly since: Date;
  readonly lastAt: Date;
  readonly secondsAgo: number;
  /** The former worker; null: it has registered anew since. */
  readonly workerName: string | null;
}

/** No row: none were. */
export const readFencedEvents: Statement<{ readonly sensorRef: string }, FencedEventCount> = {
  name: "read_fenced_events",
  text: `
    select fenced_events::float8, fenced_since, fenced_at, fenced_worker,
           extract(epoch from now() - fenced_at)::float8 as seconds_ago
      from sensor_process
      join sensor
        on sensor.id = sensor_process.sensor
     where sensor.ref = $1
       and fenced_events > 0`,
  values: ({ sensorRef }) => [sensorRef],
  decode: (row) => ({
    events: row.number("fenced_events"),
    since: row.instant("fenced_since"),
    lastAt: row.instant("fenced_at"),
    secondsAgo: row.number("seconds_ago"),
    workerName: row.textOrNull("fenced_worker"),
  }),
};
