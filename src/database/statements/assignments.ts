/**
 * Who runs which sensor, under a lease that the database's clock judges.
 *
 * An assignment is *held* while its lease is alive (see lease.ts) and its worker's row still carries the
 * instance that claimed it. The second condition frees the sensors of a killed process the moment
 * its successor registers under the same name, without waiting for the lease.
 *
 * What waits for what. The term of an assignment (instance, sensor, generation) is a key of the table, and its lease
 * is not, so PostgreSQL tells them apart:
 *
 *                       locks the row       beside a batch being stored   beside a renewal
 *   storing a batch     for key share       passes                        passes
 *   renewing            for no key update   passes                        once at a time
 *   claiming            for update          passes it over                passes it over
 *   releasing           for update          passes it over                passes it over
 *   deleting a sensor   for update          waits                         waits
 *
 * So no statement here waits for a row of an assignment, and renewal waits for no row at all.
 */
import type { Id } from "../../model/identifiers.ts";
import type { JsonObject } from "../../model/json/json.ts";
import type { Statement } from "../statement.ts";
import { isLeaseAlive } from "./lease.ts";
import { servesTrigger } from "./served-triggers.ts";

export interface WorkerTerm {
  readonly workerId: Id;
  readonly instance: string;
}

export interface RenewedAssignment {
  /** Null in the one row of a worker that holds no sensor. */
  readonly sensorId: Id | null;
  readonly generation: Id | null;
  /** False: another session has the row locked, or has claimed it this moment. */
  readonly isRenewed: boolean;
  /** Whether the worker's own lease was renewed; false: another session has its row locked. */
  readonly isWorkerRenewed: boolean;
  /** Milliseconds of the database's clock. */
  readonly databaseMs: number;
}

/**
 * Renews the worker's lease and those of its assignments. No row at all: the worker's row belongs to
 * another instance now.
 *
 * An expired lease is renewed too: while nobody has claimed the sensor, its holder may go on; whoever
 * claims it changes the instance, and then this finds it no more. A worker that others marked inactive
 * meanwhile is active again with its lease; or it would find no worker able to run what it runs.
 *
 * Rows that somebody has locked are passed over and reported, so that one of them keeps no other from being renewed.
 */
export const renewLeases: Statement<WorkerTerm & { readonly leaseSeconds: number }, RenewedAssignment> = {
  name: "renew_leases",
  text: `
    with own as (
      select id
        from worker
       where id = $1
         and instance = $2
    ), owned as (
      select sensor_assignment.sensor, sensor_assignment.generation
        from sensor_assignment
        join own
          on own.id = sensor_assignment.worker
       where sensor_assignment.instance = $2
    ), own_free as (
      select id
        from worker
       where id = $1
         and instance = $2
         for no key update skip locked
    ), owned_free as (
      select sensor_assignment.sensor
        from sensor_assignment
        join own
          on own.id = sensor_assignment.worker
       where sensor_assignment.instance = $2
       order by sensor_assignment.sensor
         for no key update of sensor_assignment skip locked
    ), alive as (
      update worker
         set lease_expires_at = clock_timestamp() + make_interval(secs => $3),
             lease_seconds = $3,
             status = 'active'
        from own_free
       where worker.id = own_free.id
      returning worker.id
    ), renewed as (
      update sensor_assignment
         set lease_expires_at = clock_timestamp() + make_interval(secs => $3)
        from owned_free
       where sensor_assignment.sensor = owned_free.sensor
      returning sensor_assignment.sensor
    )
    select owned.sensor, owned.generation, renewed.sensor is not null as is_renewed,
           alive.id is not null as is_worker_renewed,
           extract(epoch from now())::double precision * 1000 as database_ms
      from own
      left join alive on true
      left join owned on true
      left join renewed on renewed.sensor = owned.sensor`,
  values: ({ workerId, instance, leaseSeconds }) => [workerId, instance, leaseSeconds],
  decode: (row) => ({
    sensorId: row.idOrNull("sensor"),
    generation: row.idOrNull("generation"),
    isRenewed: row.boolean("is_renewed"),
    isWorkerRenewed: row.boolean("is_worker_renewed"),
    databaseMs: row.number("database_ms"),
  }),
};

export interface SchedulableSensor {
  readonly id: Id;
  readonly ref: string;
  readonly runtimeRef: string;
  readonly runtimeName: string | null;
  readonly protocol: string;
  readonly versionConstraint: string | null;
  /** The worker that holds it and renews in time, or the one that asks. */
  readonly holderId: Id | null;
  /** Held by a worker whose lease on it has run out and that nobody has replaced yet. */
  readonly isLapsed: boolean;
  /** Milliseconds of the database's clock by which this was judged. */
  readonly databaseMs: number;
}

/** The worker that asks: it is alive, whatever its lease says. Null: no worker asks. */
export interface AskingWorker {
  readonly selfId: Id | null;
}

/** Every sensor that should run: enabled, and serving an enabled trigger with an enabled rule. */
export const readWantedSensors: Statement<AskingWorker, SchedulableSensor> = {
  name: "read_wanted_sensors",
  text: `
    select sensor.id, sensor.ref, sensor.runtime_ref, runtime.name as runtime_name,
           sensor.protocol, sensor.runtime_version_constraint,
           case when holder.id = $1 or ${isLeaseAlive("assignment", "holder", "now()")}
                then holder.id end as holder,
           holder.id is not null and not ${isLeaseAlive("assignment", "holder", "now()")} as is_lapsed,
           extract(epoch from now())::double precision * 1000 as database_ms
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
                and ${servesTrigger("sensor", "trigger")})
     order by sensor.id`,
  values: ({ selfId }) => [selfId],
  decode: (row) => ({
    id: row.id("id"),
    ref: row.text("ref"),
    runtimeRef: row.text("runtime_ref"),
    runtimeName: row.textOrNull("runtime_name"),
    protocol: row.text("protocol"),
    versionConstraint: row.textOrNull("runtime_version_constraint"),
    holderId: row.idOrNull("holder"),
    isLapsed: row.boolean("is_lapsed"),
    databaseMs: row.number("database_ms"),
  }),
};

export interface LiveWorker {
  readonly id: Id;
  readonly name: string;
  readonly capabilities: JsonObject;
}

export const readLiveWorkers: Statement<AskingWorker, LiveWorker> = {
  name: "read_live_workers",
  text: `
    select id, name, coalesce(capabilities, '{}') as capabilities
      from worker
     where id = $1
        or (worker_role in ('sensor', 'hybrid')
            and status = 'active'
            and ${isLeaseAlive("worker", "worker", "now()")})
     order by id`,
  values: ({ selfId }) => [selfId],
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
 * Of concurrent claims of one sensor one gets it. A row that is locked is passed over: somebody is
 * claiming it, renewing it, or storing events under its term, and the next look tells. A sensor without a row gets one;
 * whoever comes second finds it there. A worker superseded under its name claims nothing, and what an instance
 * has already, it does not claim again: renewal makes its lease live.
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
    with own as (
      select id, instance, (extract(epoch from clock_timestamp()) * 1000000)::bigint as generation
        from worker
       where id = $1
         and instance = $2
    ), free as (
      select held.sensor
        from sensor_assignment as held
       where held.sensor = any ($4::bigint[])
         and held.instance is distinct from $2
         and not exists (select
                           from worker as holder
                          where holder.id = held.worker
                            and holder.instance = held.instance
                            and ${isLeaseAlive("held", "holder", "clock_timestamp()")})
       order by held.sensor
         for update skip locked
    ), taken as (
      update sensor_assignment as held
         set worker = own.id,
             instance = own.instance,
             generation = greatest(held.generation + 1, own.generation),
             lease_expires_at = clock_timestamp() + make_interval(secs => $3),
             claimed_at = clock_timestamp()
        from free, own
       where held.sensor = free.sensor
      returning held.sensor, held.generation
    ), made as (
      insert into sensor_assignment (sensor, worker, instance, generation, lease_expires_at, claimed_at)
      select sensor.id, own.id, own.instance, own.generation,
             clock_timestamp() + make_interval(secs => $3), clock_timestamp()
        from sensor, own
       where sensor.id = any ($4::bigint[])
         and not exists (select from sensor_assignment as held where held.sensor = sensor.id)
       order by sensor.id
      on conflict (sensor) do nothing
      returning sensor, generation
    )
    select sensor, generation from taken
     union all
    select sensor, generation from made`,
  values: ({ workerId, instance, leaseSeconds, sensorIds }) => [workerId, instance, leaseSeconds, sensorIds],
  decode: (row) => ({ sensorId: row.id("sensor"), generation: row.id("generation") }),
};

/**
 * Gives sensors back so that any worker may claim them at once; touches only what this instance holds, and
 * passes over those whose events are still being stored.
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
