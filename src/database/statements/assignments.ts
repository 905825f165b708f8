/**
 * Which worker runs which sensor, under a lease judged by the database's clock.
 *
 * An assignment is *held* while its lease is alive (see lease.ts) and its worker's row still carries the
 * instance that claimed it. The second condition frees the sensors of a killed process as soon as its
 * successor registers under the same name, without waiting for the lease.
 *
 * Locks. The term of an assignment (instance, sensor, generation) is a key of the table and its lease is not, so
 * changing them takes different row locks:
 *
 *                       locks the row       beside a batch being stored   beside a renewal
 *   storing a batch     for key share       passes                        passes
 *   renewing            for no key update   passes                        once at a time
 *   claiming            for update          passes it over                passes it over
 *   releasing           for update          passes it over                passes it over
 *   deleting a sensor   for update          waits                         waits
 *
 * So no statement here waits for an assignment row, and renewal waits for no row at all.
 */
import type { Id } from "../../model/identifiers.ts";
import type { JsonObject, JsonValue } from "../../model/json/json.ts";
import type { Statement } from "../statement.ts";
import { isLeaseAlive } from "./lease.ts";
import { servesTrigger } from "./served-triggers.ts";

export interface WorkerTerm {
  readonly workerId: Id;
  readonly instance: string;
}

export interface RenewedAssignment {
  /** Null in the only row of a worker that holds no sensor. */
  readonly sensorId: Id | null;
  readonly generation: Id | null;
  /** False if another session has locked the row or has just claimed it. */
  readonly isRenewed: boolean;
  /** Whether the worker's own lease was renewed; false if another session has locked its row. */
  readonly isWorkerRenewed: boolean;
  /** The database's clock, in milliseconds. */
  readonly databaseMs: number;
}

/**
 * Renews the worker's lease and those of its assignments. Returns no row if the worker's row now belongs to
 * another instance.
 *
 * An expired lease is renewed too: until another worker claims the sensor, its holder may keep running it. A claim
 * changes the instance, and then this statement no longer matches. A worker that others marked inactive becomes
 * active again with its lease; otherwise no worker would count as able to run its sensors.
 *
 * Locked rows are skipped and reported, so that one locked row does not prevent the renewal of the others.
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
  readonly entrypoint: string;
  readonly versionConstraint: string | null;
  readonly placement: JsonValue;
  /** The worker that holds it under a live lease, or the asking worker if it holds it. */
  readonly holderId: Id | null;
  /** Its lease has expired, and no other worker has claimed it yet. */
  readonly isLapsed: boolean;
  /** The database's clock at which this was judged, in milliseconds. */
  readonly databaseMs: number;
}

/** The worker that asks, which counts as alive whatever its lease says. Null if no worker asks. */
export interface AskingWorker {
  readonly selfId: Id | null;
}

/** Every sensor that should run: enabled, and serving an enabled trigger with an enabled rule. */
export const readWantedSensors: Statement<AskingWorker, SchedulableSensor> = {
  name: "read_wanted_sensors",
  text: `
    select sensor.id, sensor.ref, sensor.runtime_ref, runtime.name as runtime_name,
           sensor.protocol, sensor.entrypoint, sensor.runtime_version_constraint, sensor.placement,
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
    entrypoint: row.text("entrypoint"),
    versionConstraint: row.textOrNull("runtime_version_constraint"),
    placement: row.json("placement"),
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
 * Claims those of the sensors that no worker holds, and raises their generation.
 *
 * Of several concurrent claims, exactly one gets the sensor. Locked rows are skipped: another session is claiming or
 * renewing the sensor, or storing events under its term, and the next round will try again. A sensor without a row
 * gets one; a concurrent second claim finds it and inserts none. A worker superseded under its name claims nothing.
 * An instance does not claim a sensor it already has: renewal revives that lease.
 *
 * A generation is the time in microseconds, or the previous one plus one if the clock is behind. So a generation that
 * the database lost in a failover or restore is never used again. Otherwise events in flight under the lost claim
 * would be stored under the new one, after a gap of events that were refused in between.
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
