/**
 * Goal: while a batch of events is being stored, no session changes its terms, and nothing else has to
 * wait for it, renewal least of all.
 * Method: the pipeline's own statement in a transaction left open, and every other statement beside it.
 */
import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import type { Database } from "../../src/database/database.ts";
import { rowsOf } from "../../src/database/statement.ts";
import { claimSensors, releaseSensors } from "../../src/database/statements/assignments.ts";
import { renewLeases } from "../../src/database/statements/lease-renewals.ts";
import type { Id } from "../../src/model/identifiers.ts";
import type { AssignmentTerm } from "../../src/model/sensors/incoming-event.ts";
import { storeUnderTerm } from "../support/batch-being-stored.ts";
import { insertRule, insertSensor, insertTrigger, insertWorker, query } from "../support/platform-rows.ts";
import { freshDatabase } from "../support/postgres.ts";

const lapse = "update worker set lease_expires_at = now() - interval '1 s' where name = 'holder'";

interface Worker {
  readonly workerId: Id;
  readonly instance: string;
}

async function insertNamedWorker(database: Database, name: string): Promise<Worker> {
  const instance = randomUUID();
  return { workerId: await insertWorker(database, { name, instance }), instance };
}

async function heldSensor(
  database: Database,
  holder: Worker,
): Promise<{ sensorId: Id; term: AssignmentTerm }> {
  await insertTrigger(database, "demo.tick");
  await insertRule(database, { ref: "demo.rule", triggerRef: "demo.tick" });
  const sensorId = await insertSensor(database, { ref: "demo.s", triggerRef: "demo.tick" });
  const [claimed] = await rowsOf(database, claimSensors, {
    ...holder,
    chosen: new Map([[sensorId, holder.workerId]]),
  });
  return { sensorId, term: { generation: claimed?.generation ?? "", instance: holder.instance } };
}

test("a lease is renewed while a batch is being stored under it, and the batch under it while it is renewed", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  const holder = await insertNamedWorker(database, "holder");
  const { sensorId, term } = await heldSensor(database, holder);

  await database.transaction(async (storing) => {
    expect(await storeUnderTerm(storing, sensorId, term)).toBe(true);
    const renewed = await rowsOf(database, renewLeases, { ...holder, leaseSeconds: 10 });
    expect(renewed).toMatchObject([{ isRenewed: true, assignments: `1 ${sensorId} ${term.generation}` }]);
  });
  await database.transaction(async (renewing) => {
    await rowsOf(renewing, renewLeases, { ...holder, leaseSeconds: 10 });
    expect(await storeUnderTerm(database, sensorId, term)).toBe(true);
  });
});

test("each renewal of a lease is a heartbeat", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  const holder = await insertNamedWorker(database, "holder");
  await query(database, "update worker set last_heartbeat = now() - interval '1 hour', status = 'inactive'");

  await rowsOf(database, renewLeases, { ...holder, leaseSeconds: 10 });

  expect(
    await query(
      database,
      "select status, last_heartbeat > now() - interval '1 minute' as is_fresh from worker",
    ),
  ).toEqual([{ status: "active", is_fresh: true }]);
});

test.each([
  ["a claim by hand", "update sensor_assignment set generation = generation + 1"],
  [
    "a release by hand",
    "update sensor_assignment set worker = null, instance = null, lease_expires_at = null",
  ],
  ["a deletion of the sensor", "delete from sensor"],
])("%s waits for a batch that is being stored", async (_what, sql) => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  const { sensorId, term } = await heldSensor(database, await insertNamedWorker(database, "holder"));

  await database.transaction(async (storing) => {
    await storeUnderTerm(storing, sensorId, term);
    const changing = database.transaction(async (transaction) => {
      await transaction.query({ text: "set local lock_timeout = '50ms'" });
      await transaction.query({ text: sql });
    });
    await expect(changing).rejects.toMatchObject({ code: "55P03" });
  });
});

test("a claim and a release pass over a sensor whose events are being stored, and take it afterwards", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  const holder = await insertNamedWorker(database, "holder");
  const heir = await insertNamedWorker(database, "heir");
  const { sensorId, term } = await heldSensor(database, holder);
  const sensorIds = [sensorId];
  const claim = (): Promise<object[]> =>
    rowsOf(database, claimSensors, { ...heir, chosen: new Map([[sensorId, heir.workerId]]) });
  const release = (): Promise<object[]> =>
    rowsOf(database, releaseSensors, { instance: holder.instance, sensorIds });

  await database.transaction(async (storing) => {
    await storeUnderTerm(storing, sensorId, term);
    await query(database, lapse);
    expect(await claim()).toEqual([]);
    expect(await release()).toEqual([]);
  });

  expect(await claim()).toMatchObject([{ sensorId }]);
  expect(await storeUnderTerm(database, sensorId, term)).toBe(false);
});

test.each([
  ["deleted", "delete from sensor where ref = 'demo.busy'"],
  ["renamed", "update sensor set ref = 'demo.renamed' where ref = 'demo.busy'"],
])("a claim passes over a new sensor that is being %s, and takes it afterwards", async (_what, sql) => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  const worker = await insertNamedWorker(database, "worker");
  await insertTrigger(database, "demo.tick");
  const busy = await insertSensor(database, { ref: "demo.busy", triggerRef: "demo.tick" });
  const free = await insertSensor(database, { ref: "demo.free", triggerRef: "demo.tick" });
  const chosen = new Map([busy, free].map((sensorId) => [sensorId, worker.workerId]));
  const claim = (): Promise<object[]> =>
    database.transaction(async (claiming) => {
      await claiming.query({ text: "set local lock_timeout = '1s'" });
      return await rowsOf(claiming, claimSensors, { ...worker, chosen });
    });
  const other = await fresh.connect();
  await other.query("begin");
  await other.query(sql);

  expect(await claim()).toMatchObject([{ sensorId: free }]);
  await other.query("rollback");

  expect(await claim()).toMatchObject([{ sensorId: busy }]);
});

test("a batch waits for a claim of its sensor, and then finds its term ended", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  const heir = await insertNamedWorker(database, "heir");
  const { sensorId, term } = await heldSensor(database, await insertNamedWorker(database, "holder"));
  await query(database, lapse);

  const storing = await database.transaction(async (claiming) => {
    await rowsOf(claiming, claimSensors, { ...heir, chosen: new Map([[sensorId, heir.workerId]]) });
    const isStored = storeUnderTerm(database, sensorId, term);
    await expect
      .poll(() =>
        query(
          database,
          "select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()",
        ),
      )
      .toHaveLength(1);
    return { isStored };
  });

  expect(await storing.isStored).toBe(false);
});

test("renewal waits for no row, also not for its own, and reports that", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  const holder = await insertNamedWorker(database, "holder");
  const { sensorId, term } = await heldSensor(database, holder);
  const assignments = `1 ${sensorId} ${term.generation}`;

  await database.transaction(async (other) => {
    await query(other, "select from sensor_assignment where sensor = $1 for update", [sensorId]);
    expect(await rowsOf(database, renewLeases, { ...holder, leaseSeconds: 10 })).toMatchObject([
      { isRenewed: true, assignments },
    ]);
    await query(other, "select from worker for update");
    expect(await rowsOf(database, renewLeases, { ...holder, leaseSeconds: 10 })).toMatchObject([
      { isRenewed: false, assignments },
    ]);
  });
});

test("a worker that takes no more sensors places none, as long as another one does", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  const workers = [await insertNamedWorker(database, "one"), await insertNamedWorker(database, "two")];
  const [one, two] = workers;
  const standings = async (): Promise<unknown[]> => {
    const renewed = [];
    for (const worker of workers)
      renewed.push(...(await rowsOf(database, renewLeases, { ...worker, leaseSeconds: 10 })));
    return renewed.map(({ rank, placer }) => [rank, placer]);
  };

  expect(await standings()).toEqual([
    [0, null],
    [1, one?.instance],
  ]);
  await query(
    database,
    `update worker set capabilities = '{"max_concurrent_sensors": 0}' where name = 'one'`,
  );
  expect(await standings()).toEqual([
    [1, two?.instance],
    [0, null],
  ]);
});

test("a claim that meets another one of a new sensor gets nothing, and fails for none of its other sensors", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  const worker = await insertNamedWorker(database, "worker");
  await insertTrigger(database, "demo.tick");
  const contested = await insertSensor(database, { ref: "demo.contested", triggerRef: "demo.tick" });
  const free = await insertSensor(database, { ref: "demo.free", triggerRef: "demo.tick" });
  const chosen = new Map([contested, free].map((sensorId) => [sensorId, worker.workerId]));
  const other = await fresh.connect();
  await other.query("begin");
  await other.query("insert into sensor_assignment (sensor) values ($1)", [contested]);

  const claiming = rowsOf(database, claimSensors, { ...worker, chosen });
  const waiting =
    "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
  await expect.poll(() => query(database, waiting)).toHaveLength(1);
  await other.query("commit");

  expect(await claiming).toMatchObject([{ sensorId: free }]);
});

test("a claim raises the generation also while the clock is behind it, and follows the clock otherwise", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  const holder = await insertNamedWorker(database, "holder");
  const { sensorId, term } = await heldSensor(database, holder);
  const claim = async (): Promise<bigint> => {
    await rowsOf(database, releaseSensors, { instance: holder.instance, sensorIds: [sensorId] });
    const chosen = new Map([[sensorId, holder.workerId]]);
    const [claimed] = await rowsOf(database, claimSensors, { ...holder, chosen });
    return BigInt(claimed?.generation ?? 0);
  };
  const first = BigInt(term.generation);
  const second = await claim();
  const ahead = 5_000_000_000_000_000_000n;
  await query(database, `update sensor_assignment set generation = ${ahead}`);

  expect(second - first).toBeGreaterThan(1n);
  expect(await claim()).toBe(ahead + 1n);
  expect(await claim()).toBe(ahead + 2n);
});

test("a claim that gets nothing sends no notification, which would cause endless retries", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  const heir = await insertNamedWorker(database, "heir");
  const { sensorId } = await heldSensor(database, await insertNamedWorker(database, "holder"));
  const hints: unknown[] = [];
  await using _listening = await database.listen("attune_change", (table) => void hints.push(table));
  hints.length = 0;

  await rowsOf(database, claimSensors, { ...heir, chosen: new Map([[sensorId, heir.workerId]]) });
  await query(database, "select pg_notify('attune_change', 'end')");

  await expect.poll(() => hints).toEqual(["end"]);
});
