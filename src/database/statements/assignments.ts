/**
 * Who runs which sensor, under a lease that the database's clock judges.
 *
 * An assignment is *held* while its lease has not expired and its worker's row still carries the
 * instance that claimed it. The second condition frees the sensors of a killed process the moment
 * its successor registers under the same name, without waiting for the lease.
 */
import type { Id } from "../../model/identifiers.ts";
import type { JsonObject } from "../../model/json.ts";
import type { Statement } from "../statement.ts";

export interface WorkerTerm {
  readonly workerId: Id;
  readonly instance: string;
}

export interface RenewedAssignment {
  /** Null in the one row of a worker that holds no sensor. */
  readonly sensorId: Id | null;
  readonly generation: Id | null;
}

/**
 * Renews the worker's lease and those of its assignments. No row at all: the worker's row belongs to
 * another instance now.
 *
 * An expired lease is renewed too: while nobody has claimed the sensor, its holder may go on; whoever
 * claims it changes the instance, and then this finds it no more. A worker that others marked inactive
 * meanwhile is active again with its lease; or it would find no worker able to run what it runs.
 *
 * The assignments are taken in order of sensor, as batches of events and claims take them.
 */
export const renewLeases: Statement<WorkerTerm & { readonly leaseSeconds: number }, RenewedAssignment> = {
  name: "renew_leases",
  text: `
    with alive as (
      update worker
         set lease_expires_at = clock_timestamp() + make_interval(secs => $3),
             status = 'active'
       where id = $1
         and instance = $2
      returning id
    ), owned as (
      select sensor_assignment.sensor
        from sensor_assignment
        join alive
          on alive.id = sensor_assignment.worker
       where sensor_assignment.instance = $2
       order by sensor_assignment.sensor
         for no key update of sensor_assignment
    ), renewed as (
      update sensor_assignment
         set lease_expires_at = clock_timestamp() + make_interval(secs => $3)
        from owned
       where sensor_assignment.sensor = owned.sensor
      returning sensor_assignment.sensor, sensor_assignment.generation
    )
    select renewed.sensor, renewed.generation
      from alive
      left join renewed on true`,
  values: ({ workerId, instance, leaseSeconds }) => [workerId, instance, leaseSeconds],
  decode: (row) => ({ sensorId: row.idOrNull("sensor"), generation: row.idOrNull("generation") }),
};

export interface SchedulableSensor {
  readonly id: Id;
  readonly ref: string;
  readonly runtimeRef: string;
  readonly runtimeName: string | null;
  readonly protocol: string;
  readonly versionConstraint: string | null;
  /** The worker that holds it and renews in time. */
  readonly holderId: Id | null;
  /** Held by a worker whose lease on it has run out and that nobody has replaced yet. */
  readonly isLapsed: boolean;
}

/** Every sensor that should run: enabled, and serving an enabled trigger with an enabled rule. */
export const readWantedSensors: Statement<void, SchedulableSensor> = {
  name: "read_wanted_sensors",
  text: `
    select sensor.id, sensor.ref, sensor.runtime_ref, runtime.name as runtime_name,
           sensor.protocol, sensor.runtime_version_constraint,
           case when assignment.lease_expires_at > clock_timestamp() then holder.id end as holder,
           holder.id is not null and assignment.lease_expires_at <= clock_timestamp() as is_lapsed
      from sensor
      left join runtime
             on runtime.ref = sensor.runtime_ref
      left join sensor_assignment as assignment
             on assignment.sensor = sensor.id
      left join worker as holder
             on holder.id = assignment.worker
            and holder.instance = assignment.instance
     where sensor.enabled
       and exists (
             select
               from trigger
               join rule
                 on rule.trigger_ref = trigger.ref
                and rule.enabled
              where trigger.enabled
                and (trigger.ref = sensor.trigger_ref
                     or exists (select
                                  from sensor_trigger
                                 where sensor_trigger.sensor = sensor.id
                                   and sensor_trigger.trigger = trigger.id)))
     order by sensor.id`,
  values: () => [],
  decode: (row) => ({
    id: row.id("id"),
    ref: row.text("ref"),
    runtimeRef: row.text("runtime_ref"),
    runtimeName: row.textOrNull("runtime_name"),
    protocol: row.text("protocol"),
    versionConstraint: row.textOrNull("runtime_version_constraint"),
    holderId: row.idOrNull("holder"),
    isLapsed: row.boolean("is_lapsed"),
  }),
};

export interface LiveWorker {
  readonly id: Id;
  readonly name: string;
  readonly capabilities: JsonObject;
}

export const readLiveWorkers: Statement<void, LiveWorker> = {
  name: "read_live_workers",
  text: `
    select id, name, coalesce(capabilities, '{}') as capabilities
      from worker
     where worker_role in ('sensor', 'hybrid')
       and status = 'active'
       and lease_expires_at > clock_timestamp()
     order by id`,
  values: () => [],
  decode: (row) => ({
    id: row.id("id"),
    name: row.text("name"),
    capabilities: row.jsonObject("capabilities"),
  }),
};

export interface ClaimedAssignment {
  readonly sensorId: Id;
  readonly generation: Id;
}

/**
 * Claims those of the sensors that nobody holds, raising their generation.
 *
 * Concurrent claims of one sensor meet at its row (or at the primary key when it has none): the later
 * one sees the winner's lease and takes nothing. A worker superseded under its name claims nothing.
 *
 * A generation is the time in microseconds, or the next number if the clock is behind: one that the database
 * has forgotten, since it was set back, never comes again. Or events still on their way under the forgotten
 * claim would be stored under the new one, and those refused in between be missing before them.
 */
export const claimSensors: Statement<
  WorkerTerm & { readonly leaseSeconds: number; readonly sensorIds: readonly Id[] },
  ClaimedAssignment
> = {
  name: "claim_sensors",
  text: `
    insert into sensor_assignment as held (sensor, worker, instance, generation, lease_expires_at, claimed_at)
    select sensor.id, worker.id, worker.instance, (extract(epoch from clock_timestamp()) * 1000000)::bigint,
           clock_timestamp() + make_interval(secs => $3), clock_timestamp()
      from unnest($4::bigint[]) as wanted (id)
      join sensor on sensor.id = wanted.id
      join worker on worker.id = $1 and worker.instance = $2
     order by sensor.id
    on conflict (sensor) do update
       set worker = excluded.worker,
           instance = excluded.instance,
           generation = greatest(held.generation + 1, excluded.generation),
           lease_expires_at = excluded.lease_expires_at,
           claimed_at = excluded.claimed_at
     where held.lease_expires_at is null
        or held.lease_expires_at <= clock_timestamp()
        or not exists (select
                         from worker as holder
                        where holder.id = held.worker
                          and holder.instance = held.instance)
    returning sensor, generation`,
  values: ({ workerId, instance, leaseSeconds, sensorIds }) => [workerId, instance, leaseSeconds, sensorIds],
  decode: (row) => ({ sensorId: row.id("sensor"), generation: row.id("generation") }),
};

/** Gives sensors back so that any worker may claim them at once; touches only what this instance holds. */
export const releaseSensors: Statement<
  { readonly instance: string; readonly sensorIds: readonly Id[] },
  { readonly sensorId: Id }
> = {
  name: "release_sensors",
  text: `
    update sensor_assignment
       set worker = null,
           instance = null,
           lease_expires_at = null
     where instance = $1
       and sensor = any ($2::bigint[])
    returning sensor`,
  values: ({ instance, sensorIds }) => [instance, sensorIds],
  decode: (row) => ({ sensorId: row.id("sensor") }),
};
