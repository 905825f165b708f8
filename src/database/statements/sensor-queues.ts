/**
 * The queues that agents have declared for sensors (migration remember_sensor_queues).
 *
 * A row belongs to the database that it was written in. In a copy, or after a restoration into another server or a failover,
 * it counts only once an agent prepares the queue again: its sensor may still run with the other database.
 *
 * Preparing a queue and deleting it must not overlap. The row is the lock: preparing writes it before declaring the
 * queue, and deleting holds it until the queue is gone. Only a sensor that should run is prepared. So if it should not run
 * once its row is locked, nobody is preparing its queue.
 */
import { noRows, type Statement } from "../statement.ts";

export interface SensorQueuePlace {
  readonly broker: string;
  readonly exchange: string;
}

const owner = `coalesce((select server from installation), '') || ' '
             || (select oid from pg_database where datname = current_database())`;

/** That no standalone sensor which should run has this ref. */
const isForgotten = `not exists (select
                          from sensor
                         where sensor.ref = sensor_queue.sensor_ref
                           and sensor.protocol = 'standalone'
                           and is_sensor_wanted(sensor.id))`;

/** Waits while the queue is being deleted. */
export const rememberSensorQueue: Statement<SensorQueuePlace & { readonly sensorRef: string }, never> = {
  name: "remember_sensor_queue",
  text: `
    insert into sensor_queue (sensor_ref, broker, exchange, owner)
    values ($1, $2, $3, ${owner})
    on conflict (sensor_ref, broker) do update
       set exchange = excluded.exchange,
           owner = excluded.owner,
           prepared_at = clock_timestamp()`,
  values: ({ sensorRef, broker, exchange }) => [sensorRef, broker, exchange],
  decode: noRows,
};

/** The next queue of no sensor, in the order of refs, with its row locked. Another process may have one locked already. */
export const lockForgottenQueue: Statement<
  SensorQueuePlace & { readonly after: string },
  { readonly sensorRef: string }
> = {
  name: "lock_forgotten_queue",
  text: `
    select sensor_ref
      from sensor_queue
     where broker = $1
       and exchange = $2
       and owner = ${owner}
       and sensor_ref > $3
       and ${isForgotten}
     order by sensor_ref
     limit 1
       for update skip locked`,
  values: ({ broker, exchange, after }) => [broker, exchange, after],
  decode: (row) => ({ sensorRef: row.text("sensor_ref") }),
};

/** Whether it is still so after the row was locked. */
export const isQueueForgotten: Statement<
  { readonly sensorRef: string; readonly broker: string },
  { readonly isForgotten: boolean }
> = {
  name: "is_queue_forgotten",
  text: `
    select ${isForgotten} as is_forgotten
      from sensor_queue
     where sensor_ref = $1
       and broker = $2`,
  values: ({ sensorRef, broker }) => [sensorRef, broker],
  decode: (row) => ({ isForgotten: row.boolean("is_forgotten") }),
};

export const forgetSensorQueue: Statement<{ readonly sensorRef: string; readonly broker: string }, never> = {
  name: "forget_sensor_queue",
  text: `
    delete from sensor_queue
     where sensor_ref = $1
       and broker = $2`,
  values: ({ sensorRef, broker }) => [sensorRef, broker],
  decode: noRows,
};
