import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { createInterface } from "node:readline";
import { expect, onTestFinished, test } from "vitest";
import type { Database, Queryable } from "../../src/database/database.ts";
import { openPostgresql } from "../../src/database/postgresql/postgresql.ts";
import { OperatorError } from "../../src/errors/operator-error.ts";
import type { JsonObject } from "../../src/model/json/json.ts";
import { HeartbeatLoop } from "../../src/registration/heartbeat-loop.ts";
import { SensorWorkerRegistration, superseded } from "../../src/registration/sensor-worker-registration.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { systemClock } from "../../src/time/clock.ts";
import { fakeClock } from "../support/fake-clock.ts";
import { insertWorker, query } from "../support/platform-rows.ts";
import { asSuperuser, freshDatabase } from "../support/postgres.ts";

test("registering inserts the row, and registering again after a stop updates the same row", async () => {
  await using fresh = await freshDatabase();
  const first = registrationOn(fresh.database, { capabilities: { runtimes: ["python"] } });

  const id = await first.register();

  expect(first.workerId()).toBe(id);
  expect(first.workerName()).toBe("sensor-test");
  expect(await workerRow(fresh.database)).toMatchObject({
    id,
    worker_type: "container",
    worker_role: "sensor",
    status: "active",
    host: "10.0.1.42",
    capabilities: { runtimes: ["python"] },
    meta: { pid: 4711, started: "2026-11-21T00:00:00.000Z" },
    instance: first.instance(),
    has_lease: true,
    is_fresh: true,
  });

  await first.deregister();
  expect(first.workerId()).toBeUndefined();
  expect(await workerRow(fresh.database)).toMatchObject({ status: "inactive", has_lease: false });

  const second = registrationOn(fresh.database, { capabilities: { runtimes: ["node"] } });
  expect(await second.register()).toBe(id);
  expect(await workerRow(fresh.database)).toMatchObject({
    status: "active",
    capabilities: { runtimes: ["node"] },
    instance: second.instance(),
  });
});

test("added capabilities are made known by updateCapabilities", async () => {
  await using fresh = await freshDatabase();
  const registration = registrationOn(fresh.database, { capabilities: { runtimes: ["python"] } });
  await registration.register();

  registration.addCapability("gpu_enabled", true);
  registration.addCapability("runtimes", ["python", "ruby"]);
  expect((await workerRow(fresh.database)).capabilities).toEqual({ runtimes: ["python"] });

  expect(await registration.updateCapabilities()).toBe(true);
  expect((await workerRow(fresh.database)).capabilities).toEqual({
    gpu_enabled: true,
    runtimes: ["python", "ruby"],
  });
});

test("a second process with a live worker's name is refused, with its holder", async () => {
  await using fresh = await freshDatabase();
  const worker = await startWorker(fresh.url, "sensor-twin");
  await using other = await openPostgresql({ url: fresh.url, logger: silentLogger });

  const refusal = await registrationOn(other, { name: "sensor-twin" })
    .register()
    .catch((error: unknown) => error);

  expect(refusal).toBeInstanceOf(OperatorError);
  expect(refusal).toMatchObject({
    code: "WORKER_NAME_TAKEN",
    reason: `the name is held by another process, pid ${worker.pid} on fixture-host, since 2026-11-21T00:00:00.000Z`,
  });
  expect(await worker.nextLine()).toBe("alive");
});

test("a killed worker's name is free at once, long before its lease has run out", async () => {
  await using fresh = await freshDatabase();
  const worker = await startWorker(fresh.url, "sensor-phoenix", 300);
  await worker.kill("SIGKILL");
  const startedAtMs = performance.now();

  const id = await registrationOn(fresh.database, { name: "sensor-phoenix" }).register();

  expect(performance.now() - startedAtMs).toBeLessThan(60_000);
  expect(id).toBe((await workerRow(fresh.database, "sensor-phoenix")).id);
});

test("a frozen worker keeps its name until its lease has run out, and once thawed finds itself superseded", async () => {
  await using fresh = await freshDatabase();
  const worker = await startWorker(fresh.url, "sensor-frozen", 2);
  await worker.kill("SIGSTOP");
  const successor = registrationOn(fresh.database, { name: "sensor-frozen", leaseSeconds: 60 });
  await expect(successor.register()).rejects.toThrow(`pid ${worker.pid} on fixture-host`);

  await expect.poll(() => successor.register().catch(() => undefined), { timeout: 20_000 }).toBeDefined();

  await worker.kill("SIGCONT");
  const said: string[] = [];
  await expect
    .poll(async () => said.push(await worker.nextLine()) > 0 && said.at(-1), { timeout: 10_000 })
    .toBe("superseded");
  expect(await successor.heartbeat()).toEqual({ kind: "alive" });
  expect(await workerRow(fresh.database, "sensor-frozen")).toMatchObject({ instance: successor.instance() });
});

test("of many processes that start under one name at once, one registers and the others are refused", async () => {
  await using fresh = await freshDatabase();
  const databases = await Promise.all(
    Array.from({ length: 6 }, () =>
      openPostgresql({ url: fresh.url, logger: silentLogger, connectionsMax: 3 }),
    ),
  );

  const outcomes = await Promise.allSettled(databases.map((database) => registrationOn(database).register()));

  expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  for (const outcome of outcomes) {
    if (outcome.status === "rejected") expect(outcome.reason).toMatchObject({ code: "WORKER_NAME_TAKEN" });
  }
  await Promise.all(databases.map((database) => database[Symbol.asyncDispose]()));
});

test("an action worker's name is taken only once it gives no more sign of life", async () => {
  await using fresh = await freshDatabase();
  await query(
    fresh.database,
    `insert into worker (name, worker_type, worker_role, status, host, last_heartbeat)
     values ('sensor-test', 'local', 'action', 'active', 'actions', now())`,
  );
  const registration = registrationOn(fresh.database);
  await expect(registration.register()).rejects.toThrow("held by an action worker, pid unknown on actions");

  await query(fresh.database, "update worker set last_heartbeat = now() - interval '5 minutes'");
  await registration.register();

  expect(await workerRow(fresh.database)).toMatchObject({ worker_role: "sensor", status: "active" });
});

test("a heartbeat revives a worker that others marked inactive", async () => {
  await using fresh = await freshDatabase();
  const registration = registrationOn(fresh.database);
  await registration.register();
  await query(
    fresh.database,
    "update worker set status = 'inactive', last_heartbeat = now() - interval '1 hour'",
  );

  expect(await registration.heartbeat()).toEqual({ kind: "alive" });
  expect(await workerRow(fresh.database)).toMatchObject({ status: "active", is_fresh: true });
});

test("a superseded worker changes nothing in its successor's row", async () => {
  await using fresh = await freshDatabase();
  const registration = registrationOn(fresh.database);
  await registration.register();
  await query(fresh.database, "update worker set instance = gen_random_uuid(), capabilities = '{}'");
  const before = await workerRow(fresh.database);

  registration.addCapability("mine", true);
  expect(await registration.updateCapabilities()).toBe(false);
  expect(await registration.heartbeat()).toEqual({ kind: "superseded" });
  await registration.deregister();

  expect(await workerRow(fresh.database)).toEqual(before);
});

// A backup from before its first start has no row of it.
test("a worker whose row was lost in a restore stops with that reason, and registers when restarted", async () => {
  await using fresh = await freshDatabase();
  const registration = registrationOn(fresh.database);
  await registration.register();
  await query(fresh.database, "delete from worker");

  expect(await registration.heartbeat()).toEqual({ kind: "superseded" });
  await registration.deregister();
  expect(superseded(registration.workerName()).message).toMatch(
    /restore returned the database.*start this process again/,
  );

  const again = registrationOn(fresh.database);
  await again.register();
  expect(await again.heartbeat()).toEqual({ kind: "alive" });
});

test("a heartbeat reports an unreachable database, and afterwards the name is locked again", async () => {
  await using fresh = await freshDatabase();
  await using database = await openPostgresql({ url: fresh.url, logger: silentLogger, heartbeatMs: 100 });
  const registration = registrationOn(database);
  await registration.register();

  const name = new URL(fresh.url).pathname.slice(1);
  await asSuperuser(async (client) => {
    await client.query(`alter database ${name} allow_connections false`);
    await client.query("select pg_terminate_backend(pid) from pg_stat_activity where datname = $1", [name]);
  });
  await expect.poll(() => registration.heartbeat()).toMatchObject({ kind: "unreachable" });
  await asSuperuser((client) => client.query(`alter database ${name} allow_connections true`));

  await expect.poll(() => registration.heartbeat(), { timeout: 20_000 }).toEqual({ kind: "alive" });
  await using other = await openPostgresql({ url: fresh.url, logger: silentLogger });
  await expect
    .poll(async () => {
      await registration.heartbeat();
      const lock = await other.tryLock("worker:sensor-test");
      await lock?.[Symbol.asyncDispose]();
      return lock;
    })
    .toBeUndefined();
});

test("sensor workers without lease and heartbeat are marked inactive, all others are left alone", async () => {
  await using fresh = await freshDatabase();
  const registration = registrationOn(fresh.database);
  await registration.register();
  const instance = randomUUID();
  await insertWorker(fresh.database, { name: "dead", instance, leaseSeconds: -60 });
  await insertWorker(fresh.database, { name: "leased", instance, leaseSeconds: 60 });
  await insertWorker(fresh.database, { name: "beating", instance, leaseSeconds: -60 });
  await query(
    fresh.database,
    `insert into worker (name, worker_type, worker_role, status) values ('an action worker', 'local', 'action', 'active')`,
  );
  await query(
    fresh.database,
    `update worker set last_heartbeat = now() - interval '10 minutes' where name in ('dead', 'leased', 'an action worker')`,
  );

  expect(await registration.markStaleWorkers()).toEqual([{ name: "dead", host: null }]);
  expect(await registration.markStaleWorkers()).toEqual([]);

  const rows = await query(fresh.database, "select name from worker where status = 'inactive'");
  expect(rows).toEqual([{ name: "dead" }]);
});

test("the heartbeat loop refreshes the row until it is stopped, and ends when the worker is superseded", async () => {
  await using fresh = await freshDatabase();
  const registration = registrationOn(fresh.database);
  await registration.register();
  const beat = async (): Promise<unknown> =>
    (await query(fresh.database, "select last_heartbeat from worker"))[0];
  const first = await beat();
  let isSuperseded = false;

  const heartbeat = new HeartbeatLoop({
    registration,
    intervalMs: 10,
    onSuperseded: () => (isSuperseded = true),
    clock: systemClock,
    logger: silentLogger,
  });
  const loop = heartbeat.run(new AbortController().signal);
  await expect.poll(beat).not.toEqual(first);
  expect(isSuperseded).toBe(false);

  await query(fresh.database, "update worker set instance = gen_random_uuid()");
  await loop;
  expect(isSuperseded).toBe(true);
});

// A renewal replaces a heartbeat for as long as a heartbeat would count. It does not take the lock on the name.
// Method: by a clock of the test, renewals come and stay away; then the session that holds the lock is ended.
test("the heartbeat loop sends nothing while the lease is renewed, unless the lock on the name was lost", async () => {
  await using fresh = await freshDatabase();
  let heartbeats = 0;
  const relaxed: Queryable = {
    query: async (statement) => {
      if (statement.name === "refresh_worker") heartbeats += 1;
      return await fresh.database.relaxed.query(statement);
    },
  };
  const registration = registrationOn({ ...fresh.database, relaxed });
  await registration.register();
  const clock = fakeClock();
  const heartbeat = new HeartbeatLoop({
    registration,
    intervalMs: 30_000,
    onSuperseded: () => {},
    clock,
    logger: silentLogger,
  });
  const ending = new AbortController();
  const renewFor = async (ms: number): Promise<void> => {
    for (let elapsedMs = 0; elapsedMs < ms; elapsedMs += 3_000) {
      heartbeat.noteRenewed();
      await clock.advance(3_000);
    }
  };
  heartbeat.noteRenewed();
  const run = heartbeat.run(ending.signal);
  await renewFor(120_000);
  expect(heartbeats).toBe(0);

  await expect
    .poll(async () => {
      await clock.advance(10_000);
      return heartbeats;
    })
    .toBe(1);

  heartbeat.noteRenewed();
  await asSuperuser((client) =>
    client.query("select pg_terminate_backend(pid) from pg_stat_activity where datname = $1", [
      new URL(fresh.url).pathname.slice(1),
    ]),
  );
  await expect.poll(() => registration.isNameLocked()).toBe(false);
  await expect
    .poll(() => {
      heartbeat.wake();
      return registration.isNameLocked();
    })
    .toBe(true);
  expect(heartbeats).toBeGreaterThan(1);

  // How many it took depends on how soon there was a new session.
  heartbeats = 0;
  await renewFor(120_000);
  expect(heartbeats).toBe(0);
  ending.abort();
  await run;
});

interface WorkerRow {
  readonly id: string;
  readonly capabilities: JsonObject;
}

async function workerRow(database: Database, name = "sensor-test"): Promise<WorkerRow> {
  const [row] = await query<WorkerRow>(
    database,
    `select id, worker_type, worker_role, status, host, capabilities, meta, instance,
            lease_expires_at > now() is true as has_lease, last_heartbeat > now() - interval '5 seconds' as is_fresh
       from worker where name = $1`,
    [name],
  );
  if (row === undefined) throw new Error(`no worker ${name}`);
  return row;
}

function registrationOn(
  database: Database,
  worker: { name?: string; capabilities?: JsonObject; leaseSeconds?: number } = {},
): SensorWorkerRegistration {
  return new SensorWorkerRegistration({
    database,
    worker: {
      name: "sensor-test",
      type: "container",
      host: "10.0.1.42",
      port: null,
      capabilities: {},
      meta: { pid: 4711, started: "2026-11-21T00:00:00.000Z" },
      instance: randomUUID(),
      leaseSeconds: 10,
      ...worker,
    },
    staleAfterMs: 60_000,
    clock: systemClock,
    logger: silentLogger,
  });
}

interface WorkerProcess {
  readonly pid: number;
  kill(signal: NodeJS.Signals): Promise<void>;
  nextLine(): Promise<string>;
}

/** A process of its own that has registered. */
async function startWorker(url: string, name: string, leaseSeconds = 10): Promise<WorkerProcess> {
  const fixture = new URL("../fixtures/registration/registered-worker.ts", import.meta.url).pathname;
  const child = spawn(process.execPath, [fixture, url, name, `${leaseSeconds}`], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const nextLine = async (): Promise<string> => {
    const { value, done } = await lines.next();
    return done === true ? "(ended)" : value;
  };
  expect(await nextLine()).toBe("registered");
  return {
    pid: child.pid ?? 0,
    nextLine,
    async kill(signal) {
      child.kill(signal);
      if (signal !== "SIGKILL") return;
      await new Promise((resolve) => void child.once("exit", resolve));
    },
  };
}
