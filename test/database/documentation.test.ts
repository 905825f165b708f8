// Goal: the statements in the platform's documents work and do what the documents say.
// Method: a database migrated as an operator's, a plain session of that operator that says nothing
// about a schema, and the statements word for word.
import { Client } from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { loadMigrations } from "../../src/database/migrations/bundled-migrations.ts";
import { migrate } from "../../src/database/migrations/migrate.ts";
import { openPostgresql } from "../../src/database/postgresql/postgresql.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { emptyDatabase } from "../support/postgres.ts";
import {
  addPhp,
  addRuby,
  correctPattern,
  createEnforcement,
  createEvent,
  readingStatements,
  workerColumns,
  type DocumentedStatement,
} from "../support/documented-statements.ts";

let operator: Client;
let close: () => Promise<void>;

beforeAll(async () => {
  const empty = await emptyDatabase();
  {
    await using database = await openPostgresql({ url: empty.url, logger: silentLogger });
    await migrate(database, loadMigrations(), silentLogger);
  }
  operator = new Client({ connectionString: empty.url });
  await operator.connect();
  await operator.query(`
    insert into worker (name, worker_type, worker_role, status, capabilities, last_heartbeat) values
      ('fresh', 'container', 'sensor', 'active', '{"runtimes": ["python", "shell"]}', now()),
      ('stale', 'local', 'sensor', 'active', '{"runtimes": ["shell"]}', now() - interval '10 minutes'),
      ('gone', 'local', 'sensor', 'inactive', '{"runtimes": ["python"]}', now() - interval '10 minutes'),
      ('both', 'local', 'hybrid', 'active', '{"runtimes": ["python"]}', now() - interval '1 second'),
      ('actions', 'local', 'action', 'active', '{}', now());
    insert into rule (ref, action_ref, trigger_ref, enabled) values
      ('demo.one', 'a', 'demo.trigger', true), ('demo.off', 'a', 'demo.trigger', false), ('demo.else', 'a', 'x', true);
    insert into sensor (ref, runtime_ref, trigger_ref, enabled) values
      ('demo.on', 'core.sensor.shell', 'demo.trigger', true), ('demo.off', 'core.sensor.shell', 'demo.trigger', false)`);
  close = async () => {
    await operator.end();
    await empty[Symbol.asyncDispose]();
  };
});
afterAll(() => close());

const expectations: Record<string, (rows: Record<string, unknown>[]) => void> = {
  "active sensor workers": (rows) => expect(namesIn(rows)).toEqual(["fresh", "stale"]),
  "sensor workers with a Python runtime": (rows) =>
    expect(rows).toMatchObject([{ name: "fresh", runtimes: ["python", "shell"] }]),
  "stale sensor workers": (rows) => expect(namesIn(rows)).toEqual(["stale"]),
  "workers behind with their heartbeat": (rows) => expect(namesIn(rows)).toEqual(["stale"]),
  "workers with a runtime, most recent heartbeat first": (rows) =>
    expect(rows.map(({ name }) => name)).toEqual(["fresh", "both"]),
  "sensor runtimes": (rows) => expect(rows).toHaveLength(5),
  "sensor runtimes by name": (rows) =>
    expect(namesIn(rows)).toEqual(["Built-in Sensor", "Native", "Node.js", "Python", "Shell"]),
  "runtimes of sensor workers": (rows) => expect(namesIn(rows)).toEqual(["fresh", "gone", "stale"]),
  "runtimes of sensor workers, without names": (rows) => expect(rows).toHaveLength(3),
  "capabilities of sensor workers": (rows) => expect(rows).toHaveLength(3),
  "how Python is verified": (rows) =>
    expect(rows[0]?.["?column?"]).toMatchObject({
      commands: [
        {
          binary: "python3",
          args: ["--version"],
          exit_code: 0,
          pattern: String.raw`Python 3\.`,
          priority: 1,
        },
        { binary: "python", priority: 2 },
      ],
    }),
  "enabled sensors": (rows) =>
    // The statement names no order.
    expect(rows.map(({ ref, enabled }) => `${String(ref)} ${String(enabled)}`).toSorted()).toEqual([
      "core.files true",
      "core.timers true",
      "core.webhooks true",
      "demo.on true",
    ]),
  "rules of a trigger": (rows) => expect(rows).toMatchObject([{ ref: "demo.one", enabled: true }]),
};

test.each(readingStatements)("$from: $what", async (statement) => {
  const rows = await run(statement);
  const expectation = expectations[statement.what];

  expect(expectation).toBeDefined();
  expectation?.(rows);
});

// An SQL string keeps both backslashes of the document; model/runtimes/runtime-plan.ts reads them as one.
test("a runtime is added by the INSERT of the document", async () => {
  await run(addRuby);
  const [ruby] = await run({
    from: "",
    what: "",
    text: "select *, distributions #>> '{verification,commands,0,pattern}' as pattern from runtime where ref = 'core.sensor.ruby'",
  });

  expect(ruby).toMatchObject({
    name: "Ruby",
    pack_ref: "core",
    runtime_type: "sensor",
    pattern: String.raw`ruby \\d+\\.\\d+`,
  });
  expect(ruby?.["pack"]).not.toBeNull();
});

test("a runtime of a pack that is not installed can be added", async () => {
  await run(addPhp);

  expect(await run({ from: "", what: "", text: "select pack from runtime where name = 'PHP'" })).toEqual([
    { pack: null },
  ]);
});

test("a pattern is corrected by the UPDATE of the document", async () => {
  await operator.query(
    "update runtime set distributions = '{\"verification\": {\"commands\": [{}]}}' where name = 'Python'",
  );
  await run(correctPattern);

  const { rows } = await operator.query(
    "select distributions #>> '{verification,commands,0,pattern}' as pattern from runtime where name = 'Python'",
  );
  expect(rows).toEqual([{ pattern: String.raw`Python 3\.` }]);
});

test("events and enforcements are created by the INSERTs of the document", async () => {
  expect(await run(createEvent)).toEqual([{ id: expect.stringMatching(/^\d+$/) }]);
  expect(await run(createEnforcement)).toEqual([{ id: expect.stringMatching(/^\d+$/) }]);
});

test("the worker table has the columns of the document", async () => {
  const { rows } = await operator.query<{ name: string; type: string }>(
    `select attname as name, format_type(atttypid, atttypmod) as type
       from pg_attribute where attrelid = 'worker'::regclass and attnum > 0`,
  );
  const columns = Object.fromEntries(rows.map(({ name, type }) => [name, type]));

  expect(columns).toMatchObject(workerColumns);
});

async function run({ text, values }: DocumentedStatement): Promise<Record<string, unknown>[]> {
  const { rows } = await operator.query<Record<string, unknown>>(text, values);
  return rows;
}

function namesIn(rows: Record<string, unknown>[]): string[] {
  return rows.map(({ name }) => String(name)).toSorted();
}
