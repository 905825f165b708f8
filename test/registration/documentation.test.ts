/** What the statements find that the platform's documents give to operators. */
import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import type { Database } from "../../src/database/database.ts";
import { correctPattern, documented } from "../support/documented-statements.ts";
import { freshDatabase } from "../support/postgres.ts";
import { insertWorker, query } from "../support/platform-rows.ts";

test("active sensor workers are found with host, capabilities and heartbeat", async () => {
  await using fresh = await fleet();

  const rows = await query<{ name: string }>(fresh.database, documented("active sensor workers"));

  expect(rows.map(({ name }) => name).toSorted()).toEqual(["live", "silent"]);
});

test("sensor workers with Python are found by their capabilities", async () => {
  await using fresh = await fleet();

  const rows = await query(fresh.database, documented("sensor workers with a Python runtime"));

  expect(rows).toMatchObject([{ name: "live", runtimes: ["python", "shell"] }]);
});

test("workers that serve a runtime are ordered by their heartbeat", async () => {
  await using fresh = await fleet();

  const rows = await query(
    fresh.database,
    documented("workers with a runtime, most recent heartbeat first"),
    ["python"],
  );

  expect(rows).toMatchObject([{ name: "live" }]);
});

test("stale sensor workers are found by either documented age", async () => {
  await using fresh = await fleet();

  const fiveMinutes = await query(fresh.database, documented("stale sensor workers"));
  const twoHeartbeats = await query(fresh.database, documented("workers behind with their heartbeat"));

  expect(fiveMinutes).toMatchObject([{ name: "silent" }]);
  expect(twoHeartbeats).toMatchObject([{ name: "silent" }]);
});

test("capabilities and sensor runtimes are read as the documents read them", async () => {
  await using fresh = await fleet();

  const names = await query(fresh.database, documented("runtimes of sensor workers"));
  const capabilities = await query(fresh.database, documented("capabilities of sensor workers"));
  const runtimes = await query<{ ref: string }>(fresh.database, documented("sensor runtimes by name"));
  const [verification] = await query(fresh.database, documented("how Python is verified"));

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

  await query(fresh.database, correctPattern.text);

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
