/** Everything needed to run the sensors that a worker holds. */
import type { Id } from "../../model/identifiers.ts";
import type { JsonValue } from "../../model/json/json.ts";
import type { Row, Statement } from "../statement.ts";
import { servesTrigger } from "./served-triggers.ts";

/** As stored. The sensors feature decodes the rows one by one, so that a bad row affects no other. */
export interface AssignedSensorRow {
  readonly id: Id;
  readonly ref: string;
  /** The row of `sensor`, its `triggers`, and the enabled `rules` on enabled triggers. */
  readonly columns: JsonValue;
  readonly triggers: JsonValue;
  readonly rules: JsonValue;
}

export const readAssignedSensors: Statement<readonly Id[], AssignedSensorRow> = {
  name: "read_assigned_sensors",
  text: `
    select sensor.id,
           sensor.ref,
           to_jsonb(sensor) as columns,
           -- Aliased, because sensor has a column called trigger.
           coalesce((select jsonb_agg(to_jsonb(served) || jsonb_build_object('id', served.id::text)
                                      order by served.ref <> sensor.trigger_ref, served.ref)
                       from trigger as served
                      where ${servesTrigger("sensor", "served")}), '[]') as triggers,
           coalesce((select jsonb_agg(jsonb_build_object('id', rule.id::text, 'ref', rule.ref,
                                                         'trigger_ref', rule.trigger_ref,
                                                         'trigger_params', rule.trigger_params)
                                      order by rule.id)
                       from rule
                       join trigger as served
                         on served.ref = rule.trigger_ref
                        and served.enabled
                      where rule.enabled
                        and ${servesTrigger("sensor", "served")}), '[]') as rules
      from sensor
     where sensor.id = any ($1::bigint[])
     order by sensor.id`,
  values: (sensorIds) => [sensorIds],
  decode: (row: Row) => ({
    id: row.id("id"),
    ref: row.text("ref"),
    columns: row.json("columns"),
    triggers: row.json("triggers"),
    rules: row.json("rules"),
  }),
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
