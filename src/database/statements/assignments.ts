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
 *   renewing            for no key update   passes                        once at a time
 *   claiming            for update          passes it over
 *   releasing           for update          passes it over
 *   deleting a sensor   for update          waits
 *
 * So no statement here waits for an assignment row. Renewal locks none, and waits for no row at all.
 */
import type { Id } from "../../model/identifiers.ts";
import type { JsonObject, JsonValue } from "../../model/json/json.ts";
import { builtinRuntime, builtinRuntimeRef } from "../../model/runtimes/runtime-names.ts";
import type { Row, Statement } from "../statement.ts";
import { isLeaseAlive } from "./lease.ts";

export interface WorkerTerm {
  readonly workerId: Id;
  readonly instance: string;
}

/** Workers of higher ranks do not place sensors on a hint. */
export const ranksMax = 3;

export interface RenewedLease {
  /** False if another session has locked the worker's row. */
  readonly isRenewed: boolean;
  /** Of the assignments that this instance has; see `assignmentsDigest`. */
  readonly assignments: string;
  /** How many workers come before this one in placing sensors, up to `ranksMax`. */
  readonly rank: number;
  /** The instance of the worker that places sensors; null if it is the asking one. */
  readonly placer: string | null;
  /** Which other workers are alive, as a text that changes with them; only for the placing worker. */
  readonly others: string | null;
  /** Milliseconds until the first lease ends that this worker has to watch; null if there is none. */
  readonly firstEndMs: number | null;
  /** The database's clock, in milliseconds. */
  readonly databaseMs: number;
}

/** SQL for workers that can place and get sensors. */
function isLive(worker: string): string {
  return `${worker}.worker_role in ('sensor', 'hybrid')
             and ${worker}.status = 'active'
             and ${isLeaseAlive(worker, "now()")}`;
}

/**
 * Renews the worker's lease, and with it those of its assignments. Returns no row if the worker's row now belongs to
 * another instance.
 *
 * An expired lease is renewed too: until another worker claims the sensor, its holder may keep running it. A claim
 * changes the instance, and then the assignment is not this worker's any more. A worker that others marked inactive becomes
 * active again with its lease; otherwise no worker would count as able to run its sensors.
 *
 * It writes one row, and reads its own assignments from an index. A locked row is passed over and reported.
 *
 * The worker with the lowest id that is alive and has room places sensors for all. It watches the leases of all others;
 * the others watch its lease only, and so read only its row.
 */
export const renewLeases: Statement<WorkerTerm & { readonly leaseSeconds: number }, RenewedLease> = {
  name: "renew_leases",
  text: `
    with own as (
      select id, coalesce(capabilities, '{}') @> '{"max_concurrent_sensors": 0}' as is_withdrawn
        from worker
       where id = $1
         and instance = $2
    ), free as (
      select id
        from worker
       where id = $1
         and instance = $2
         for no key update skip locked
    ), renewed as (
      update worker
         set lease_expires_at = clock_timestamp() + make_interval(secs => $3),
             lease_seconds = $3,
             status = 'active'
        from free
       where worker.id = free.id
      returning worker.id
    ), ahead as materialized (
      select other.id, other.instance, other.lease_expires_at
        from worker as other
       where (other.id < $1 or (other.id > $1 and (select is_withdrawn from own)))
         and ${isLive("other")}
         and not coalesce(other.capabilities, '{}') @> '{"max_concurrent_sensors": 0}'
       order by other.id
       limit ${ranksMax}
    ), placer as (
      select instance, lease_expires_at
        from ahead
       order by id
       limit 1
    ), others as (
      select concat_ws(' ', count(*), sum(other.id)) as digest, min(other.lease_expires_at) as first_end
        from worker as other
       where other.id <> $1
         and ${isLive("other")}
         and not exists (select from ahead)
    )
    select renewed.id is not null as is_renewed,
           (select concat_ws(' ', count(*), sum(sensor), sum(generation))
              from sensor_assignment
             where instance = $2) as assignments,
           (select count(*)::int from ahead) as rank,
           placer.instance as placer,
           case when placer.instance is null then others.digest end as others,
           extract(epoch from coalesce(placer.lease_expires_at, others.first_end) - now())::double precision * 1000
             as first_end_ms,
           extract(epoch from now())::double precision * 1000 as database_ms
      from own
      left join renewed on true
      left join placer on true
     cross join others`,
  values: ({ workerId, instance, leaseSeconds }) => [workerId, instance, leaseSeconds],
  decode: (row) => ({
    isRenewed: row.boolean("is_renewed"),
    assignments: row.text("assignments"),
    rank: row.number("rank"),
    placer: row.textOrNull("placer"),
    others: row.textOrNull("others"),
    firstEndMs: row.numberOrNull("first_end_ms"),
    databaseMs: row.number("database_ms"),
  }),
};

/** Tells whether two sets of assignments are the same: generations come from the clock and do not repeat. */
export function assignmentsDigest(generations: ReadonlyMap<Id, Id>): string {
  if (generations.size === 0) return "0";
  return `${generations.size} ${sumOf(generations.keys())} ${sumOf(generations.values())}`;
}

function sumOf(numbers: Iterable<Id>): bigint {
  return [...numbers].reduce((sum, next) => sum + BigInt(next), 0n);
}

/** What placement has to know of a sensor. */
export interface SensorDemand {
  readonly id: Id;
  readonly ref: string;
  readonly runtimeRef: string;
  readonly runtimeName: string | null;
  readonly protocol: string;
  readonly entrypoint: string;
  readonly versionConstraint: string | null;
  readonly placement: JsonValue;
}

const demandColumns = `sensor.id, sensor.ref, sensor.runtime_ref, runtime.name as runtime_name, sensor.protocol,
           sensor.entrypoint, sensor.runtime_version_constraint, sensor.placement`;

function demandOf(row: Row): SensorDemand {
  return {
    id: row.id("id"),
    ref: row.text("ref"),
    runtimeRef: row.text("runtime_ref"),
    runtimeName: row.textOrNull("runtime_name"),
    protocol: row.text("protocol"),
    entrypoint: row.text("entrypoint"),
    versionConstraint: row.textOrNull("runtime_version_constraint"),
    placement: row.json("placement"),
  };
}

/** SQL that is true for a sensor that should run: enabled, and serving an enabled trigger with an enabled rule. */
const isWanted = `(sensor.enabled
       and (exists (select
                      from trigger
                      join rule
                        on rule.trigger_ref = trigger.ref
                       and rule.enabled
                     where trigger.ref = sensor.trigger_ref
                       and trigger.enabled)
            or exists (select
                         from sensor_trigger
                         join trigger
                           on trigger.id = sensor_trigger.trigger
                          and trigger.enabled
                         join rule
                           on rule.trigger_ref = trigger.ref
                          and rule.enabled
                        where sensor_trigger.sensor = sensor.id)))`;

/** The same for statements about all sensors: it looks at each trigger once, instead of at each sensor's. */
const isAmongWanted = `(sensor.enabled
       and (sensor.trigger_ref in (select trigger.ref
                                     from trigger
                                    where trigger.enabled
                                      and exists (select
                                                    from rule
                                                   where rule.trigger_ref = trigger.ref
                                                     and rule.enabled))
            or sensor.id in (select sensor_trigger.sensor
                               from sensor_trigger
                               join trigger
                                 on trigger.id = sensor_trigger.trigger
                                and trigger.enabled
                              where exists (select
                                              from rule
                                             where rule.trigger_ref = trigger.ref
                                               and rule.enabled))))`;

export interface WantedSensor extends SensorDemand {
  /** The live worker that holds it. */
  readonly holderId: Id | null;
}

/** Every sensor that should run, for explanations. */
export const readWantedSensors: Statement<undefined, WantedSensor> = {
  name: "read_wanted_sensors",
  text: `
    select ${demandColumns}, case when ${isLeaseAlive("holder", "now()")} then holder.id end as holder
      from sensor
      left join runtime
             on runtime.ref = sensor.runtime_ref
      left join sensor_assignment as assignment
             on assignment.sensor = sensor.id
      left join worker as holder
             on holder.id = assignment.worker
            and holder.instance = assignment.instance
     where ${isAmongWanted}
     order by sensor.id`,
  values: () => [],
  decode: (row) => ({ ...demandOf(row), holderId: row.idOrNull("holder") }),
};

export interface WaitingSensor extends SensorDemand {
  /** Its worker's lease has expired, and no other worker has claimed it yet. */
  readonly isLapsed: boolean;
  /** The database's clock at which this was judged, in milliseconds. */
  readonly databaseMs: number;
}

export interface WaitingPage {
  /** The asking worker, which counts as alive whatever its lease says. */
  readonly selfId: Id;
  /** Only sensors with higher ids. */
  readonly after: Id;
  readonly countMax: number;
}

/** A page of the sensors that should run and that no live worker holds, in order of id. */
export const readWaitingSensors: Statement<WaitingPage, WaitingSensor> = {
  name: "read_waiting_sensors",
  text: `
    with held as materialized (
      select assignment.sensor, ${isLeaseAlive("holder", "now()")} or holder.id = $1 as is_held
        from sensor_assignment as assignment
        join worker as holder
          on holder.id = assignment.worker
         and holder.instance = assignment.instance
    )
    select ${demandColumns}, held.sensor is not null as is_lapsed,
           extract(epoch from now())::double precision * 1000 as database_ms
      from sensor
      left join held
             on held.sensor = sensor.id
      left join runtime
             on runtime.ref = sensor.runtime_ref
     where sensor.id > $2
       and held.is_held is not true
       and ${isAmongWanted}
     order by sensor.id
     limit $3`,
  values: ({ selfId, after, countMax }) => [selfId, after, countMax],
  decode: (row) => ({
    ...demandOf(row),
    isLapsed: row.boolean("is_lapsed"),
    databaseMs: row.number("database_ms"),
  }),
};

export interface OwnSensor extends SensorDemand {
  readonly generation: Id;
  readonly isWanted: boolean;
}

/** Every sensor that is assigned to an instance, whether or not it should run. */
export const readOwnSensors: Statement<{ readonly instance: string }, OwnSensor> = {
  name: "read_own_sensors",
  text: `
    select ${demandColumns}, assignment.generation, ${isWanted} as is_wanted
      from sensor_assignment as assignment
      join sensor
        on sensor.id = assignment.sensor
      left join runtime
             on runtime.ref = sensor.runtime_ref
     where assignment.instance = $1`,
  values: ({ instance }) => [instance],
  decode: (row) => ({
    ...demandOf(row),
    generation: row.id("generation"),
    isWanted: row.boolean("is_wanted"),
  }),
};

export interface LiveWorker {
  readonly id: Id;
  readonly name: string;
  readonly capabilities: JsonObject;
  /** Sensors that it holds and that use capacity. */
  readonly load: number;
}

/** The worker that asks counts as alive whatever its lease says. Null if no worker asks. */
export interface AskingWorker {
  readonly selfId: Id | null;
}

export const readLiveWorkers: Statement<AskingWorker, LiveWorker> = {
  name: "read_live_workers",
  text: `
    select worker.id, worker.name, coalesce(worker.capabilities, '{}') as capabilities, coalesce(held.load, 0)::int as load
      from worker
      left join (select assignment.instance, count(*) as load
                   from sensor_assignment as assignment
                   join sensor
                     on sensor.id = assignment.sensor
                   left join runtime
                          on runtime.ref = sensor.runtime_ref
                  where sensor.runtime_ref <> '${builtinRuntimeRef}'
                    and runtime.name is distinct from '${builtinRuntime}'
                    and ${isAmongWanted}
                  group by assignment.instance) as held
             on held.instance = worker.instance
     where worker.id = $1
        or (${isLive("worker")})
     order by worker.id`,
  values: ({ selfId }) => [selfId],
  decode: (row) => ({
    id: row.id("id"),
    name: row.text("name"),
    capabilities: row.jsonObject("capabilities"),
    load: row.number("load"),
  }),
};

/** What a worker's own row says about it. No row if it belongs to another instance. */
export const readWorker: Statement<WorkerTerm, Pick<LiveWorker, "name" | "capabilities">> = {
  name: "read_worker",
  text: `
    select name, coalesce(capabilities, '{}') as capabilities
      from worker
     where id = $1
       and instance = $2`,
  values: ({ workerId, instance }) => [workerId, instance],
  decode: (row) => ({ name: row.text("name"), capabilities: row.jsonObject("capabilities") }),
};

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
 * gets one; a concurrent second claim finds it and inserts none. A worker superseded under its name claims nothing, and a
 * worker without a live lease is given nothing. An instance does not claim a sensor it already has: renewal revives its
 * lease.
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
