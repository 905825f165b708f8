import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test, vi } from "vitest";
import type { Database, Queryable } from "../../src/database/database.ts";
import { openPostgresql } from "../../src/database/postgresql/postgresql.ts";
import type { Id } from "../../src/model/identifiers.ts";
import { explainUnplaced } from "../../src/scheduling/placement-facts.ts";
import { Scheduler } from "../../src/scheduling/scheduler.ts";
import { silentLogger, type Logger } from "../../src/telemetry/logger.ts";
import { systemClock } from "../../src/time/clock.ts";
import { storeUnderTerm } from "../support/batch-being-stored.ts";
import { startFaultProxy, type FaultProxy } from "../support/fault-proxy.ts";
import { insertRule, insertSensor, insertTrigger, insertWorker, query } from "../support/platform-rows.ts";
import { freshDatabase } from "../support/postgres.ts";
import { recordingLogger } from "../support/recording-logger.ts";

const soon = { timeout: 9_000, interval: 10 };

interface RunningScheduler extends AsyncDisposable {
  readonly scheduler: Scheduler;
  readonly workerId: Id;
  readonly instance: string;
  readonly running: Set<Id>;
  readonly onSuperseded: () => void;
  /** Sensors that it no longer holds. */
  readonly letGo: () => ReadonlySet<Id>;
  readonly stop: () => Promise<void>;
}

/** A scheduler whose sensors "run" from the moment they are held until the test says otherwise. */
async function startScheduler(
  database: Database,
  name: string,
  options: { sensorCountMax?: number; leaseSeconds?: number; runtimes?: string[]; logger?: Logger } = {},
): Promise<RunningScheduler> {
  const instance = randomUUID();
  const workerId = await insertWorker(database, { name, instance, ...options });
  const running = new Set<Id>();
  const onSuperseded = vi.fn<() => void>();
  const everHeld = new Set<Id>();
  const letGo = new Set<Id>();
  const scheduler: Scheduler = new Scheduler({
    database,
    workerId,
    instance,
    leaseSeconds: options.leaseSeconds ?? 10,
    renewalIntervalMs: 50,
    lookIntervalMs: 50,
    isRunning: (sensorId) => running.has(sensorId),
    onRenewed: () => {},
    onHeldChanged: () => {
      const held = scheduler.held();
      for (const id of everHeld) if (!held.has(id)) letGo.add(id);
      for (const id of held.keys()) everHeld.add(id);
    },
    onSuperseded,
    onOthersChanged: () => {},
    metrics: { leasesLost: () => {} },
    logger: options.logger ?? silentLogger,
    clock: systemClock,
    random: () => 0,
  });
  const ending = new AbortController();
  const run = scheduler.run(ending.signal);
  const stop = async (): Promise<void> => {
    ending.abort();
    await run;
  };
  return {
    scheduler,
    workerId,
    instance,
    running,
    onSuperseded,
    letGo: () => letGo,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

function generationOf({ scheduler }: RunningScheduler, sensorId: Id): bigint {
  return BigInt(scheduler.held().get(sensorId)?.generation ?? 0);
}

async function insertSensors(database: Database, count: number): Promise<Id[]> {
  await insertTrigger(database, "demo.tick");
  await insertRule(database, { ref: "demo.rule", triggerRef: "demo.tick" });
  const ids: Id[] = [];
  for (let n = 0; n < count; n += 1) {
    ids.push(await insertSensor(database, { ref: `demo.s${n}`, triggerRef: "demo.tick" }));
  }
  return ids;
}

test("workers share the sensors evenly, and no sensor is held twice", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  const sensorIds = await insertSensors(database, 9);

  await using first = await startScheduler(database, "first");
  await using second = await startScheduler(database, "second");
  await using third = await startScheduler(database, "third");
  const all = [first, second, third];
  await expect
    .poll(() => all.reduce((count, { scheduler }) => count + scheduler.held().size, 0), soon)
    .toBe(9);

  const held = all.flatMap(({ scheduler }) => [...scheduler.held().keys()]);
  expect(held).toHaveLength(9);
  expect(new Set(held)).toEqual(new Set(sensorIds));
});

// Goal: twenty workers that wake at the same moment claim forty sensors, each once.
test("concurrent claims never give a sensor to two workers", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  await insertSensors(database, 40);

  const all = await Promise.all(
    Array.from({ length: 20 }, (_, n) => startScheduler(database, `w${n}`, { sensorCountMax: 3 })),
  );
  await expect
    .poll(() => all.reduce((count, { scheduler }) => count + scheduler.held().size, 0), { timeout: 20_000 })
    .toBe(40);

  const held = all.flatMap(({ scheduler }) => [...scheduler.held().keys()]);
  expect(new Set(held).size).toBe(40);
  expect(Math.max(...all.map(({ scheduler }) => scheduler.held().size))).toBeLessThanOrEqual(3);
  await Promise.all(all.map(({ stop }) => stop()));
});

test("a sensor of a silent worker is taken over once its lease has expired, under a higher generation", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  const [sensorId = ""] = await insertSensors(database, 1);
  const frozen = await startScheduler(database, "frozen", { leaseSeconds: 0.3 });
  await expect.poll(() => frozen.scheduler.held().size, soon).toBe(1);
  const first = generationOf(frozen, sensorId);
  await frozen.stop();

  await using heir = await startScheduler(database, "heir");
  await expect.poll(() => generationOf(heir, sensorId), soon).toBeGreaterThan(first);
});

/** A worker's own connection to the database, which the test can cut and restore. */
async function cuttableDatabase(
  url: string,
): Promise<{ database: Database; proxy: FaultProxy } & AsyncDisposable> {
  await using made = new AsyncDisposableStack();
  const { hostname, port } = new URL(url);
  const proxy = made.use(await startFaultProxy({ targetHost: hostname, targetPort: Number(port) }));
  const through = new URL(url);
  through.host = `127.0.0.1:${proxy.port}`;
  const database = made.use(
    await openPostgresql({ url: through.href, logger: silentLogger, connectionsMax: 4 }),
  );
  const kept = made.move();
  return { database, proxy, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

function lose(proxy: FaultProxy): void {
  proxy.refuse();
  proxy.cut();
}

test("after a common outage a worker leaves others' sensors to them for one lease duration, and then takes them over", async () => {
  await using fresh = await freshDatabase();
  const [sensorId = ""] = await insertSensors(fresh.database, 1);
  await using ownersWay = await cuttableDatabase(fresh.url);
  await using heirsWay = await cuttableDatabase(fresh.url);
  await using owner = await startScheduler(ownersWay.database, "owner", { leaseSeconds: 1 });
  await expect.poll(() => owner.scheduler.held().size, soon).toBe(1);
  const generation = generationOf(owner, sensorId);
  await using heir = await startScheduler(heirsWay.database, "heir", { leaseSeconds: 1 });
  await expect.poll(() => heir.scheduler.health().state, soon).toBe("up");

  for (const { proxy } of [ownersWay, heirsWay]) lose(proxy);
  await sleep(1_500);
  heirsWay.proxy.resume();
  await expect.poll(() => heir.scheduler.health().state, soon).toBe("up");
  await sleep(300);
  ownersWay.proxy.resume();
  await expect.poll(() => owner.scheduler.health().state, soon).toBe("up");
  await sleep(1_500);
  expect(generationOf(owner, sensorId)).toBe(generation);
  expect(heir.scheduler.held().size).toBe(0);

  for (const { proxy } of [ownersWay, heirsWay]) lose(proxy);
  await sleep(1_500);
  heirsWay.proxy.resume();
  await expect.poll(() => generationOf(heir, sensorId), soon).toBeGreaterThan(generation);
});

test("a worker that thaws finds that it holds nothing", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  const [sensorId = ""] = await insertSensors(database, 1);
  await using owner = await startScheduler(database, "owner");
  await expect.poll(() => owner.scheduler.held().size, soon).toBe(1);

  const instance = randomUUID();
  const heirId = await insertWorker(database, { name: "heir", instance });
  await query(
    database,
    "update sensor_assignment set worker = $1, instance = $2, generation = generation + 1",
    [heirId, instance],
  );

  await expect.poll(() => owner.scheduler.held().has(sensorId), soon).toBe(false);
});

test("a killed worker's sensors go to its successor of the same name without waiting for the lease", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  const [sensorId = ""] = await insertSensors(database, 1);
  const killed = await startScheduler(database, "worker", { leaseSeconds: 3_600 });
  await expect.poll(() => killed.scheduler.held().size, soon).toBe(1);
  const first = generationOf(killed, sensorId);
  await killed.stop();

  await using successor = await startScheduler(database, "worker");

  await expect.poll(() => generationOf(successor, sensorId), soon).toBeGreaterThan(first);
});

// Events of the forgotten claim are still on their way; under the same generation they would pass for the new one's.
test.each([
  {
    forgotten: "the claim",
    sql: "update sensor_assignment set generation = 0, lease_expires_at = now() - interval '1 s'",
  },
  { forgotten: "that there was one", sql: "delete from sensor_assignment" },
])("a database that was set back and forgot $forgotten gives another generation", async ({ sql }) => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  const [sensorId = ""] = await insertSensors(database, 1);
  const first = await startScheduler(database, "worker");
  await expect.poll(() => first.scheduler.held().size, soon).toBe(1);
  const forgotten = generationOf(first, sensorId);
  await first.stop();

  await query(database, sql);
  await using again = await startScheduler(database, "worker");

  await expect.poll(() => again.scheduler.held().size, soon).toBe(1);
  expect(generationOf(again, sensorId)).toBeGreaterThan(forgotten);
});

test("a sensor that is no longer wanted is released only after it has stopped", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  const [sensorId = ""] = await insertSensors(database, 1);
  await using owner = await startScheduler(database, "owner");
  await expect.poll(() => owner.scheduler.held().size, soon).toBe(1);
  owner.running.add(sensorId);

  await query(database, "update rule set enabled = false");
  await expect.poll(() => owner.scheduler.held().size, soon).toBe(0);
  const [whileRunning] = await query(database, "select worker from sensor_assignment");
  expect(whileRunning).toEqual({ worker: owner.workerId });

  owner.running.delete(sensorId);
  await expect
    .poll(() => query(database, "select worker from sensor_assignment"), soon)
    .toEqual([{ worker: null }]);
});

test("a sensor is let go when the worker offers its runtime no more", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  await insertSensors(database, 1);
  await using owner = await startScheduler(database, "owner");
  await expect.poll(() => owner.scheduler.held().size, soon).toBe(1);

  await query(
    database,
    `update worker set capabilities = '{"runtimes": ["shell"], "max_concurrent_sensors": 10}'`,
  );

  await expect.poll(() => owner.scheduler.held().size, soon).toBe(0);
});

test("a worker whose row belongs to another process holds nothing and reports it", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  await insertSensors(database, 1);
  await using owner = await startScheduler(database, "owner");
  await expect.poll(() => owner.scheduler.held().size, soon).toBe(1);

  await query(database, "update worker set instance = $1", [randomUUID()]);

  await expect.poll(() => owner.onSuperseded, soon).toHaveBeenCalled();
  expect(owner.scheduler.held().size).toBe(0);
});

test("a superseded worker looks at its sensors no more often than others do", async () => {
  await using fresh = await freshDatabase();
  const real = fresh.database;
  const sent: (string | undefined)[] = [];
  const noted = (to: Queryable): Queryable => ({
    query: (statement) => {
      sent.push(statement.name);
      return to.query(statement);
    },
  });
  const database: Database = { ...real, ...noted(real), reserved: noted(real.reserved) };
  await using owner = await startScheduler(database, "owner");
  await query(real, "update worker set instance = $1", [randomUUID()]);
  await expect.poll(() => owner.onSuperseded, soon).toHaveBeenCalled();
  sent.length = 0;

  const count = (name: string): number => sent.filter((each) => each === name).length;
  await expect.poll(() => count("renew_leases"), soon).toBeGreaterThan(5);
  // Both have the same interval, and a renewal can cause a look.
  expect(count("read_own_sensors")).toBeLessThanOrEqual(3 * count("renew_leases"));
});

test("stopping releases at once", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  await insertSensors(database, 2);
  const owner = await startScheduler(database, "owner");
  await expect.poll(() => owner.scheduler.held().size, soon).toBe(2);

  await owner.stop();
  await owner.scheduler.releaseAll();

  expect(await query(database, "select worker, lease_expires_at from sensor_assignment")).toEqual([
    { worker: null, lease_expires_at: null },
    { worker: null, lease_expires_at: null },
  ]);
});

test("the rows show why a sensor runs nowhere", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  await insertSensors(database, 1);
  await insertWorker(database, { name: "w1", instance: randomUUID(), runtimes: ["ruby"] });

  const [[ref, obstacle] = []] = await explainUnplaced(database);

  expect(ref).toBe("demo.s0");
  expect(obstacle?.reason).toBe("worker w1 does not offer the runtime python");
  expect(obstacle?.remedy).toMatch(/^install python where a worker runs/);
});

// Goal: a fleet without room for many sensors logs the reason once, not a line for each whenever a worker begins or ends.
test("sensors that run nowhere for the same reason have one line in the log", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  await insertSensors(database, 30);
  await query(database, "update rule set enabled = false");
  const { logger, lines } = recordingLogger();
  await using placing = await startScheduler(database, "a", { runtimes: ["ruby"], logger });
  const other = async (
    name: string,
    can: { runtimes?: string[]; sensorCountMax?: number },
  ): Promise<unknown> =>
    await insertWorker(database, { name, instance: randomUUID(), leaseSeconds: 600, ...can });
  for (const name of ["b", "c", "d", "e"]) await other(name, { runtimes: ["ruby"] });
  await expect.poll(() => placing.scheduler.health().state, soon).toBe("up");
  await query(database, "update rule set enabled = true");
  await expect.poll(() => lines.length, soon).toBe(1);

  // One more worker that cannot run them changes nothing, one that takes ten does.
  await other("f", { runtimes: ["ruby"] });
  await other("g", { sensorCountMax: 10 });
  await expect
    .poll(
      () =>
        query(database, "select count(*)::int as count from sensor_assignment where instance is not null"),
      soon,
    )
    .toEqual([{ count: 10 }]);
  await expect.poll(() => lines.length, soon).toBe(2);

  expect(lines.map(({ message }) => message)).toEqual([
    "30 sensors (demo.s0, demo.s1, demo.s2, demo.s3, demo.s4, demo.s5, demo.s6, demo.s7, demo.s8, demo.s9, …) are not running: " +
      "worker a does not offer the runtime python; worker b does not offer the runtime python; " +
      "worker c does not offer the runtime python; other workers cannot run it for the same reasons",
    expect.stringMatching(/^20 sensors .*; worker g is full \(10 of 10 sensors\); other workers/),
  ]);
});

test("the worker that places sensors counts those that run nowhere, and built-in ones need no capacity", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  await insertSensors(database, 4);
  await insertSensor(database, {
    ref: "demo.timers",
    triggerRef: "demo.tick",
    runtimeRef: "core.sensor.builtin",
    entrypoint: "timers",
  });

  await using worker = await startScheduler(database, "worker", {
    sensorCountMax: 3,
    runtimes: ["python", "builtin"],
  });
  const { scheduler } = worker;

  await expect.poll(() => scheduler.held().size, soon).toBe(4);
  await expect.poll(() => scheduler.unplacedCount(), soon).toBe(1);
  expect(scheduler.load()).toBe(3);
});

test("a sensor that is being deleted keeps no other one waiting, and is placed if it was not deleted", async () => {
  await using fresh = await freshDatabase();
  const sensorIds = await insertSensors(fresh.database, 3);
  const other = await fresh.connect();
  await other.query("begin");
  await other.query("delete from sensor where ref = 'demo.s0'");

  await using worker = await startScheduler(fresh.database, "worker");
  const held = () => new Set(worker.scheduler.held().keys());
  await expect.poll(held, soon).toEqual(new Set(sensorIds.slice(1)));
  await other.query("rollback");

  await expect.poll(held, soon).toEqual(new Set(sensorIds));
});

// Goal: an open deletion of a sensor that runs nowhere holds up no other sensor.
// Method: the note of it would have to wait when it changes, and when it ends.
test("sensors are placed while one that runs nowhere is being deleted, and its gap ends if it was not", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  await insertSensors(database, 0);
  const insert = (ref: string, runtimeRef: string) =>
    insertSensor(database, { ref, triggerRef: "demo.tick", runtimeRef });
  const openGaps = async () =>
    (
      await query<{ sensor_ref: string }>(
        database,
        "select sensor_ref from sensor_gap where ended_at is null order by 1",
      )
    ).map(({ sensor_ref }) => sensor_ref);
  await insert("demo.stuck", "demo.none");
  await using worker = await startScheduler(database, "worker");
  await expect.poll(openGaps, soon).toEqual(["demo.stuck"]);
  const other = await fresh.connect();
  await other.query("begin");
  await other.query("delete from sensor where ref = 'demo.stuck'");

  await insert("demo.late", "demo.none");
  await expect.poll(openGaps, soon).toEqual(["demo.late", "demo.stuck"]);
  const placed = await insert("demo.placed", "core.sensor.shell");
  await expect.poll(() => worker.scheduler.held().has(placed), soon).toBe(true);
  await query(database, "update rule set enabled = false");
  await expect.poll(openGaps, soon).toEqual(["demo.stuck"]);
  await other.query("rollback");

  await expect.poll(openGaps, soon).toEqual([]);
});

test("a worker that was taken for dead counts as alive from its next renewal, and keeps its sensors", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  await insertSensors(database, 1);
  await using only = await startScheduler(database, "only");
  await expect.poll(() => only.scheduler.held().size, soon).toBe(1);

  await query(database, "update worker set status = 'inactive'");

  await expect.poll(() => query(database, "select status from worker"), soon).toEqual([{ status: "active" }]);
  expect(only.scheduler.held().size).toBe(1);
});

const shortLeaseSeconds = 0.6;
const severalLeasesMs = 2_500;

/** Two workers, each with a sensor and connections of its own. */
async function startPair(
  url: string,
): Promise<{ one: RunningScheduler; two: RunningScheduler } & AsyncDisposable> {
  await using made = new AsyncDisposableStack();
  const start = async (name: string): Promise<RunningScheduler> => {
    const database = made.use(await openPostgresql({ url, logger: silentLogger, connectionsMax: 4 }));
    return made.use(
      await startScheduler(database, name, { leaseSeconds: shortLeaseSeconds, sensorCountMax: 1 }),
    );
  };
  const one = await start("one");
  const two = await start("two");
  await expect.poll(() => one.scheduler.held().size + two.scheduler.held().size, soon).toBe(2);
  const kept = made.move();
  return { one, two, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

function expectNothingLetGo({ one, two }: { one: RunningScheduler; two: RunningScheduler }): void {
  expect([...one.letGo(), ...two.letGo()]).toEqual([]);
  expect(one.scheduler.health().state).toBe("up");
  expect(two.scheduler.health().state).toBe("up");
}

// Goal: however long a batch holds its locks, neither its worker nor another loses a sensor.
test("while a batch takes several leases to store, neither its worker nor the neighbour lets a sensor go", async () => {
  await using fresh = await freshDatabase();
  await insertSensors(fresh.database, 2);
  await using pair = await startPair(fresh.url);
  const [[sensorId, term] = ["", { generation: "", instance: "" }]] = pair.one.scheduler.held();

  await fresh.database.transaction(async (storing) => {
    expect(await storeUnderTerm(storing, sensorId, term)).toBe(true);
    await sleep(severalLeasesMs);
  });

  expectNothingLetGo(pair);
});

test("a claim that waits for another transaction for several lease durations does not prevent renewals", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  await insertSensors(database, 2);
  await using pair = await startPair(fresh.url);

  await database.transaction(async (other) => {
    // A sensor that is wanted, and free as far as others see: claiming it waits for the end of that.
    const taken = await insertSensor(database, { ref: "demo.taken", triggerRef: "demo.tick" });
    await query(other, "insert into sensor_assignment (sensor) values ($1)", [taken]);
    await query(
      database,
      "update worker set capabilities = capabilities || '{\"max_concurrent_sensors\": 10}'",
    );
    pair.one.scheduler.wake();
    pair.two.scheduler.wake();
    await sleep(severalLeasesMs);
  });

  expectNothingLetGo(pair);
});

test("a worker whose connections are all busy for several leases keeps its sensors", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  await insertSensors(database, 1);
  await using busy = await openPostgresql({ url: fresh.url, logger: silentLogger, connectionsMax: 4 });
  await using worker = await startScheduler(busy, "busy", { leaseSeconds: shortLeaseSeconds });
  await using neighbour = await startScheduler(database, "neighbour", { leaseSeconds: shortLeaseSeconds });
  await expect.poll(() => worker.scheduler.held().size, soon).toBe(1);

  const slow = { text: `select pg_sleep(${severalLeasesMs / 1_000})` };
  await Promise.all([busy.query(slow), busy.query(slow), busy.relaxed.query(slow)]);

  expectNothingLetGo({ one: worker, two: neighbour });
});

test("a worker keeps its sensors after its lease has expired unnoticed, as long as no other worker has claimed them", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  await insertSensors(database, 1);
  await using only = await startScheduler(database, "only");
  await expect.poll(() => only.scheduler.held().size, soon).toBe(1);

  await query(database, "update worker set lease_expires_at = now() - interval '1 s'");
  only.scheduler.wake();

  await expect
    .poll(() => query(database, "select from worker where lease_expires_at > now()"), soon)
    .toHaveLength(1);
  expect([...only.letGo()]).toEqual([]);
});
