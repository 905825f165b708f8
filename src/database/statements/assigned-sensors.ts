/** Everything needed to run the sensors that a worker holds. */
import assert from "node:assert/strict";
import type { Id } from "../../model/identifiers.ts";
import { isJsonArray, listOf, objectOf, type JsonValue } from "../../model/json/json.ts";
import type { Queryable } from "../database.ts";
import { rowsOf, type Row, type Statement } from "../statement.ts";

/** As stored. The sensors feature decodes the rows one by one, so that a bad row affects no other. */
export interface AssignedSensorRow {
  readonly id: Id;
  readonly ref: string;
  /** The row of `sensor`, its `triggers`, and the enabled `rules` on enabled triggers. */
  readonly columns: JsonValue;
  readonly triggers: JsonValue;
  /** Sensors of one trigger share the list. */
  readonly rules: JsonValue;
}

/** In the order of their ids. Those that do not exist any more are left out. */
export async function readAssignedSensors(
  database: Queryable,
  sensorIds: readonly Id[],
): Promise<readonly AssignedSensorRow[]> {
  const rows = await rowsOf(database, readSensorsAndTriggers, sensorIds);
  const triggers = new Map(rows.flatMap((row) => (row.kind === "trigger" ? [[row.ref, row]] : [])));
  return rows.flatMap((row) => {
    if (row.kind === "trigger") return [];
    const served = row.triggerRefs.flatMap((ref) => triggers.get(ref) ?? []);
    return [
      {
        id: row.id,
        ref: row.ref,
        columns: row.columns,
        triggers: served.map((trigger) => trigger.columns),
        rules: mergedRules(served.map((trigger) => trigger.rules)),
      },
    ];
  });
}

/** By id; rules of one trigger are so already. */
function mergedRules(lists: readonly JsonValue[]): JsonValue {
  const filled = lists.filter((list) => isJsonArray(list) && list.length > 0);
  if (filled.length <= 1) return filled[0] ?? [];
  return filled
    .flatMap(listOf)
    .map((rule) => ({ rule, id: BigInt(idOf(rule)) }))
    .toSorted((one, other) => (one.id < other.id ? -1 : 1))
    .map(({ rule }) => rule);
}

function idOf(rule: JsonValue): string {
  const { id } = objectOf(rule);
  assert(typeof id === "string", "read_assigned_sensors: a rule has no id");
  return id;
}

interface SensorRow {
  readonly kind: "sensor";
  readonly id: Id;
  readonly ref: string;
  readonly columns: JsonValue;
  /** The one in its row first. */
  readonly triggerRefs: readonly string[];
}

interface TriggerRow {
  readonly kind: "trigger";
  readonly ref: string;
  readonly columns: JsonValue;
  readonly rules: JsonValue;
}

/**
 * The sensors, and each trigger that they serve once, with its rules: many sensors on a trigger with many rules would
 * otherwise read all of them for each sensor. One statement, so that both are of the same moment.
 */
const readSensorsAndTriggers: Statement<readonly Id[], SensorRow | TriggerRow> = {
  name: "read_assigned_sensors",
  text: `
    with served as materialized (
      select sensor.id as sensor_id, described.id as trigger_id
        from sensor
        join trigger as described
          on described.ref = sensor.trigger_ref
       where sensor.id = any ($1::bigint[])
       union
      select sensor_trigger.sensor, sensor_trigger.trigger
        from sensor_trigger
       where sensor_trigger.sensor = any ($1::bigint[])
    ), served_by as (
      select sensor.id,
             jsonb_agg(described.ref order by described.ref <> sensor.trigger_ref, described.ref) as refs
        from served
        join sensor
          on sensor.id = served.sensor_id
        join trigger as described
          on described.id = served.trigger_id
       group by sensor.id
    )
    select sensor.id, sensor.ref, to_jsonb(sensor) as columns, coalesce(served_by.refs, '[]') as members
      from sensor
      left join served_by
        on served_by.id = sensor.id
     where sensor.id = any ($1::bigint[])
     union all
    select null, described.ref, to_jsonb(described) || jsonb_build_object('id', described.id::text),
           coalesce((select jsonb_agg(jsonb_build_object('id', rule.id::text, 'ref', rule.ref,
                                                         'trigger_ref', rule.trigger_ref,
                                                         'trigger_params', rule.trigger_params)
                                      order by rule.id)
                       from rule
                      where rule.trigger_ref = described.ref
                        and rule.enabled
                        and described.enabled), '[]')
      from trigger as described
     where described.id in (select trigger_id from served)
     order by id`,
  values: (sensorIds) => [sensorIds],
  decode: (row: Row) => {
    const id = row.idOrNull("id");
    const ref = row.text("ref");
    const columns = row.json("columns");
    const members = row.json("members");
    return id === null
      ? { kind: "trigger", ref, columns, rules: members }
      : { kind: "sensor", id, ref, columns, triggerRefs: listOf(members).map(String) };
  },
};

/** The newest checkpoint that was committed with the sensor's events. */
export const readCheckpoint: Statement<Id, JsonValue> = {
  name: "read_sensor_checkpoint",
  text: `
    select value
      from sensor_checkpoint
     where sensor = $1`,
  values: (sensorId) => [sensorId],
  decode: (row) => row.json("value"),
};

/** Which of these rules exist, enabled or not. */
export const readExistingRules: Statement<readonly Id[], Id> = {
  name: "read_existing_rules",
  text: `
    select id
      from rule
     where id = any($1::bigint[])`,
  values: (ruleIds) => [ruleIds],
  decode: (row) => row.id("id"),
};
