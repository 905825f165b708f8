/** The statements about workers that the platform's documents give to operators, unchanged. */
import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import type { Database } from "../../src/database/database.ts";
import { freshDatabase } from "../support/postgres.ts";
import { insertWorker, query } from "../support/platform-rows.ts";

test("active sensor workers are found with host, capabilities and heartbeat", async () => {
  await using fresh = await fleet();

  const rows = await query<{ name: string }>(
    fresh.database,
    `SELECT id, name, host, capabilities, last_heartbeat
FROM worker
WHERE worker_role = 'sensor' AND status = 'active';`,
  );

  expect(rows.map(({ name }) => name).toSorted()).toEqual(["live", "silent"]);
});

test("sensor workers with Python are found by their capabilities", async () => {
  await using fresh = await fleet();

  const rows = await query(
    fresh.database,
    `SELECT id, name, host, capabilities->'runtimes' as runtimes
FROM worker
WHERE worker_role = 'sensor'
AND status = 'active'
AND capabilities->'runtimes' ? 'python';`,
  );

  expect(rows).toMatchObject([{ name: "live", runtimes: ["python", "shell"] }]);
});

test("workers that serve a runtime are ordered by their heartbeat", async () => {
  await using fresh = await fleet();

  const rows = await query(
    fresh.database,
    `SELECT * FROM worker
WHERE worker_role IN ('sensor', 'hybrid')
AND status = 'active'
AND capabilities->'runtimes' ? $1
ORDER BY last_heartbeat DESC`,
    ["python"],
  );

  expect(rows).toMatchObject([{ name: "live" }]);
});

test("stale sensor workers are found by either documented age", async () => {
  await using fresh = await fleet();

  const fiveMinutes = await query(
    fresh.database,
    `SELECT id, name, last_heartbeat
FROM worker
WHERE worker_role = 'sensor'
AND status = 'active'
AND last_heartbeat < NOW() - INTERVAL '5 minutes';`,
  );
  const twoHeartbeats = await query(
    fresh.database,
    `SELECT
name,
host,
status,
last_heartbeat,
NOW() - last_heartbeat AS time_since_heartbeat
FROM worker
WHERE worker_role = 'sensor'
AND status = 'active'
AND last_heartbeat < NOW() - INTERVAL '60 seconds'
ORDER BY last_heartbeat;`,
  );

  expect(fiveMinutes).toMatchObject([{ name: "silent" }]);
  expect(twoHeartbeats).toMatchObject([{ name: "silent" }]);
});

test("capabilities and sensor runtimes are read as the documents read them", async () => {
  await using fresh = await fleet();

  const names = await query(
    fresh.database,
    "SELECT name, capabilities->>'runtimes' FROM worker WHERE worker_role = 'sensor';",
  );
  const capabilities = await query(
    fresh.database,
    "SELECT capabilities FROM worker WHERE worker_role = 'sensor';",
  );
  const runtimes = await query<{ ref: string }>(
    fresh.database,
    "SELECT ref, name, runtime_type FROM runtime WHERE runtime_type = 'sensor';",
  );
  const [verification] = await query(
    fresh.database,
    "SELECT distributions->'verification' FROM runtime WHERE ref = 'core.sensor.python';",
  );

  expect(names).toHaveLength(3);
  expect(capabilities).toHaveLength(3);
  expect(runtimes.map(({ ref }) => ref).toSorted()).toEqual([
    "core.sensor.builtin",
    "core.sensor.native",
    "core.sensor.nodejs",
    "core.sensor.python",
    "core.sensor.shell",
  ]);
  expect(verification).toMatchObject({
    "?column?": { commands: [{ binary: "python3" }, { binary: "python" }] },
  });
});

test("a pattern is corrected in its row by the documented UPDATE", async () => {
  await using fresh = await fleet();

  await query(
    fresh.database,
    `UPDATE runtime SET distributions = jsonb_set( distributions, '{verification,commands,0,pattern}', '"Python 3\\\\."' ) WHERE ref = 'core.sensor.python';`,
  );

  const [row] = await query(
    fresh.database,
    "select distributions #>> '{verification,commands,0,pattern}' as pattern from runtime where ref = 'core.sensor.python'",
  );
  expect(row).toEqual({ pattern: String.raw`Python 3\.` });
});

/** One live worker, one that went silent, one that stopped, and an action worker. */
async function fleet(): Promise<AsyncDisposable & { readonly database: Database }> {
  const fresh = await freshDatabase();
  const { database } = fresh;
  await insertWorker(database, { name: "live", instance: randomUUID() });
  await insertWorker(database, { name: "silent", instance: randomUUID(), runtimes: ["shell"] });
  await insertWorker(database, { name: "stopped", instance: randomUUID() });
  await query(
    database,
    "update worker set last_heartbeat = now() - interval '10 minutes' where name = 'silent'",
  );
  await query(database, "update worker set status = 'inactive' where name = 'stopped'");
  await query(
    database,
    `insert into worker (name, worker_type, worker_role, status, capabilities)
     values ('actions', 'local', 'action', 'active', '{"runtimes": ["python"]}')`,
  );
  return fresh;
}
