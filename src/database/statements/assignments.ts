/**
 * Which worker runs which sensor, under a lease judged by the database's clock.
 *
 * An assignment is *held* while its worker's lease is alive (see lease.ts) and its worker's row still carries the instance that
 * got it. So renewing the leases of all sensors of a worker is one write to its row, and the sensors of a killed process are
 * free as soon as its successor registers under the same name, without waiting for the lease.
 *
 * Locks. The term of an assignment (instance, sensor, generation) is a key of the table:
 *
 *                       locks the row       beside a batch being stored
 *   storing a batch     for key share       passes
 *   claiming            for update          passes it over
 *   releasing           for update          passes it over
 *   deleting a sensor   for update          waits
 *
 * So no statement here waits for an assignment row. The renewal of leases (lease-renewals.ts) locks none of them.
 */
import type { Id } from "../../model/identifiers.ts";
import type { Statement } from "../statement.ts";
import { isLeaseAlive } from "./lease.ts";

export interface WorkerTerm {
  readonly workerId: Id;
  readonly instance: string;
}

export interface ClaimedAssignment {
  readonly sensorId: Id;
  readonly generation: Id;
}

export interface ClaimForWorkers extends WorkerTerm {
  /** Worker by sensor. */
  readonly chosen: ReadonlyMap<Id, Id>;
}

/**
 * Gives those of the sensors that no worker holds to the workers chosen for them, and raises their generation.
 *
 * Of several concurrent claims, exactly one gets the sensor. Locked rows are skipped: another session is claiming or
 * releasing the sensor, or storing events under its term, and the next round will try again. A sensor without a row
 * gets one, unless it is being deleted or renamed; a concurrent second claim finds the row and inserts none. A worker
 * superseded under its name claims nothing, and a worker without a live lease is given nothing. An instance does not
 * claim a sensor it already has: renewal revives its lease.
 *
 * Leases are judged by the time of the transaction, which is before the statement's snapshot: a lease that was renewed
 * after the snapshot must not look expired only because the statement was slow.
 *
 * A generation is the time in microseconds, or the previous one plus one if the clock is behind. So a generation that
 * the database lost in a failover or restore is never used again. Otherwise events in flight under the lost claim
 * would be stored under the new one, after a gap of events that were refused in between.
 */
export const claimSensors: Statement<ClaimForWorkers, ClaimedAssignment & { readonly workerId: Id }> = {
  name: "claim_sensors",
  text: `
    with term as materialized (
      select wanted.sensor, taker.id as worker, taker.instance, taker.lease_expires_at,
             (extract(epoch from clock_timestamp()) * 1000000)::bigint as generation
        from unnest($3::bigint[], $4::bigint[]) as wanted (sensor, worker)
        join worker as taker
          on taker.id = wanted.worker
       where taker.instance is not null
         and (taker.id = $1 or ${isLeaseAlive("taker", "now()")})
         and exists (select from worker where id = $1 and instance = $2)
    ), free as (
      select held.sensor
        from sensor_assignment as held
        join term
          on term.sensor = held.sensor
       where held.instance is distinct from term.instance
         and not exists (select
                           from worker as holder
                          where holder.id = held.worker
                            and holder.instance = held.instance
                            and (holder.id = $1 or ${isLeaseAlive("holder", "now()")}))
       order by held.sensor
         for update of held skip locked
    ), taken as (
      update sensor_assignment as held
         set worker = term.worker,
             instance = term.instance,
             generation = greatest(held.generation + 1, term.generation),
             lease_expires_at = term.lease_expires_at,
             claimed_at = clock_timestamp()
        from free
        join term
          on term.sensor = free.sensor
       where held.sensor = free.sensor
      returning held.sensor, held.generation, held.worker
    ), made as (
      insert into sensor_assignment (sensor, worker, instance, generation, lease_expires_at, claimed_at)
      select sensor.id, term.worker, term.instance, term.generation, term.lease_expires_at, clock_timestamp()
        from sensor
        join term
          on term.sensor = sensor.id
       where not exists (select from sensor_assignment as held where held.sensor = sensor.id)
       order by sensor.id
         for key share of sensor skip locked
      on conflict (sensor) do nothing
      returning sensor, generation, worker
    )
    select sensor, generation, worker from taken
     union all
    select sensor, generation, worker from made`,
  values: ({ workerId, instance, chosen }) => [workerId, instance, [...chosen.keys()], [...chosen.values()]],
  decode: (row) => ({
    sensorId: row.id("sensor"),
    generation: row.id("generation"),
    workerId: row.id("worker"),
  }),
};

/**
 * Releases sensors, so that any worker may claim them at once. Affects only sensors that this instance holds, and
 * skips those whose events are being stored.
 */
export const releaseSensors: Statement<
  { readonly instance: string; readonly sensorIds: readonly Id[] },
  { readonly sensorId: Id }
> = {
  name: "release_sensors",
  text: `
    with free as (
      select sensor
        from sensor_assignment
       where instance = $1
         and sensor = any ($2::bigint[])
       order by sensor
         for update skip locked
    )
    update sensor_assignment as held
       set worker = null,
           instance = null,
           lease_expires_at = null
      from free
     where held.sensor = free.sensor
    returning held.sensor`,
  values: ({ instance, sensorIds }) => [instance, sensorIds],
  decode: (row) => ({ sensorId: row.id("sensor") }),
};
