/** The sensors that placement looks at: those that should run, those that wait for a worker, and those of one worker. */
import type { Id } from "../../model/identifiers.ts";
import type { JsonValue } from "../../model/json/json.ts";
import type { Row, Statement } from "../statement.ts";
import { isLeaseAlive } from "./lease.ts";

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
export const isAmongWanted = `(sensor.enabled
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
