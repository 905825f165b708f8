/** What a worker reads about the sensors it holds. */
import { expect, test } from "vitest";
import type { Queryable } from "../../src/database/database.ts";
import { rowsOf, type Statement } from "../../src/database/statement.ts";
import {
  readAssignedSensors,
  type AssignedSensorRow,
} from "../../src/database/statements/assigned-sensors.ts";
import { servesTrigger } from "../../src/database/statements/served-triggers.ts";
import type { Id } from "../../src/model/identifiers.ts";
import { listOf } from "../../src/model/json/json.ts";
import { query } from "../support/platform-rows.ts";
import { freshDatabase } from "../support/postgres.ts";

/** The plain definition of the answer: each sensor reads its own triggers and rules. */
const readEachByItself: Statement<readonly Id[], AssignedSensorRow> = {
  name: "read_each_assigned_sensor_by_itself",
  text: `
    select sensor.id,
           sensor.ref,
           to_jsonb(sensor) as columns,
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
  decode: (row) => ({
    id: row.id("id"),
    ref: row.text("ref"),
    columns: row.json("columns"),
    triggers: row.json("triggers"),
    rules: row.json("rules"),
  }),
};

// Goal: the answer does not depend on how it is read.
// Method: sensors with one, several, disabled, unknown and no triggers; rules interleaved between the triggers, with ids of
// different lengths.
test("each sensor has its triggers, its own first, and the rules on the enabled ones by id", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  await query(
    database,
    `insert into trigger (ref, label, enabled, out_schema)
     select 't.' || n, 'Trigger ' || n, n <> 3, '{"type": "object"}' from generate_series(1, 5) as n`,
  );
  await query(
    database,
    `insert into rule (id, ref, action_ref, trigger, trigger_ref, trigger_params, enabled)
     overriding system value
     select 95 + n, 'r.' || n, 'core.noop', trigger.id, trigger.ref, jsonb_build_object('n', n), n % 7 <> 0
       from generate_series(1, 40) as n
       join trigger on trigger.ref = 't.' || (1 + n % 4)`,
  );
  await query(
    database,
    `insert into sensor (ref, pack_ref, entrypoint, runtime_ref, trigger, trigger_ref, protocol)
     select 's.' || name, 's', 'sensor.py', 'core.sensor.python',
            (select id from trigger where trigger.ref = own), own, 'stream'
       from (values ('one', 't.1'), ('same', 't.1'), ('disabled', 't.3'), ('empty', 't.5'), ('unknown', 't.9'),
                    ('several', 't.4'), ('twice', 't.2')) as made (name, own)`,
  );
  await query(
    database,
    `insert into sensor_trigger (sensor, trigger)
     select sensor.id, trigger.id
       from (values ('s.several', 't.1'), ('s.several', 't.3'), ('s.several', 't.2'), ('s.twice', 't.2'),
                    ('s.unknown', 't.5')) as served (sensor_ref, trigger_ref)
       join sensor on sensor.ref = sensor_ref
       join trigger on trigger.ref = served.trigger_ref`,
  );
  const ids = [...(await idsOf(database, "s.%")), "999999"];

  const rows = await readAssignedSensors(database, ids);

  expect(rows).toEqual(await rowsOf(database, readEachByItself, ids));
  expect(
    rows.map(({ ref, triggers, rules }) => [ref, listOf(triggers).length, listOf(rules).length]),
  ).toEqual([
    ["s.one", 1, 9],
    ["s.same", 1, 9],
    ["s.disabled", 1, 0],
    ["s.empty", 1, 0],
    ["s.unknown", 1, 0],
    ["s.several", 4, 26],
    ["s.twice", 1, 9],
  ]);
});

test("sensors on one trigger share the list of its rules, which is read once", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  await query(database, "insert into trigger (ref, label) values ('t.busy', 'Busy')");
  await query(
    database,
    `insert into rule (ref, action_ref, trigger, trigger_ref)
     select 'r.' || n, 'core.noop', trigger.id, trigger.ref
       from trigger, generate_series(1, 1000) as n where trigger.ref = 't.busy'`,
  );
  await query(
    database,
    `insert into sensor (ref, pack_ref, entrypoint, runtime_ref, trigger, trigger_ref, protocol)
     select 's.' || n, 's', 'sensor.py', 'core.sensor.python', trigger.id, trigger.ref, 'stream'
       from trigger, generate_series(1, 200) as n where trigger.ref = 't.busy'`,
  );

  const rows = await readAssignedSensors(database, await idsOf(database, "s.%"));

  expect(rows).toHaveLength(200);
  expect(listOf(rows[0]?.rules)).toHaveLength(1_000);
  expect(new Set(rows.map(({ rules }) => rules)).size).toBe(1);
});

async function idsOf(database: Queryable, like: string): Promise<Id[]> {
  const rows = await query<{ id: Id }>(database, "select id from sensor where ref like $1 order by id", [
    like,
  ]);
  return rows.map(({ id }) => id);
}
