/** The platform's resources over HTTP, read from a real PostgreSQL. */
import { randomUUID } from "node:crypto";
import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { Value } from "typebox/value";
import type { TSchema } from "typebox";
import { expect, test } from "vitest";
import { SensorAnswer } from "../../src/api/routes/sensors.ts";
import { WorkerAnswer } from "../../src/api/routes/workers.ts";
import { ListAnswer } from "../../src/api/paging.ts";
import { startApi, type Api, type ApiOptions } from "../../src/api/server.ts";
import type { Database } from "../../src/database/database.ts";
import { openEmbedded } from "../../src/database/embedded/embedded.ts";
import { loadMigrations } from "../../src/database/migrations/bundled-migrations.ts";
import { migrate } from "../../src/database/migrations/migrate.ts";
import { rowsOf } from "../../src/database/statement.ts";
import { noteUnplacedSensors } from "../../src/database/statements/sensor-gaps.ts";
import type { Caller } from "../../src/model/identity/caller.ts";
import { databaseResources } from "../../src/service/api-parts.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { insertRule, insertSensor, insertTrigger, insertWorker, query } from "../support/platform-rows.ts";
import { freshDatabase } from "../support/postgres.ts";
import { authenticateByRole } from "../support/tokens.ts";

interface Item {
  readonly id: number;
  readonly [key: string]: unknown;
}

interface List {
  readonly items: readonly Item[];
  readonly pagination: Readonly<Record<string, unknown>>;
}

const asViewer = { authorization: "Bearer viewer" };

const withoutResources: ApiOptions = {
  section: "api",
  host: "127.0.0.1",
  port: 0,
  health: { version: "1.2.3", workerName: "w1", parts: () => ({}), monotonicMs: () => 0 },
  metrics: { contentType: "text/plain", text: async () => "" },
  logger: silentLogger,
};

/** Without the core pack's own sensors, which lists would contain. */
async function emptyDatabase() {
  const fresh = await freshDatabase();
  await query(fresh.database, "delete from sensor");
  return fresh;
}

function serve(database: Database, changes: Partial<ApiOptions> = {}): Promise<Api> {
  const platform = { authenticate: authenticateByRole, resources: databaseResources(database) };
  return startApi({ ...withoutResources, platform, ...changes });
}

async function ask(api: Api, path: string, init: RequestInit = {}) {
  const response = await fetch(`${api.address}${path}`, { headers: asViewer, ...init });
  return { status: response.status, headers: response.headers, body: await response.json() };
}

async function list(api: Api, path: string): Promise<List> {
  const { status, body } = await ask(api, path);
  expect(status).toBe(200);
  return body as List;
}

function expectShape(schema: TSchema, value: unknown): void {
  expect(Value.Errors(schema, value)).toEqual([]);
}

/** Makes the worker own the sensor, as a claim leaves it. */
async function assign(database: Database, sensor: string, worker: string, leaseSeconds = 10): Promise<void> {
  await query(
    database,
    `insert into sensor_assignment (sensor, worker, instance, generation, lease_expires_at, claimed_at)
     select sensor.id, worker.id, worker.instance, 1, now() + make_interval(secs => $3), now() - interval '1 s'
       from sensor, worker where sensor.ref = $1 and worker.name = $2`,
    [sensor, worker, leaseSeconds],
  );
}

async function report(database: Database, sensor: string, worker: string, status: string): Promise<void> {
  await query(
    database,
    `insert into sensor_process (sensor, worker, status, pid, failures, exit_code, reason, stderr_excerpt, started_at)
     select sensor.id, worker.id, $3, 4711, 2, 1, 'it exited with code 1', 'KeyError', now()
       from sensor, worker where sensor.ref = $1 and worker.name = $2`,
    [sensor, worker, status],
  );
}

test("workers are listed with their role, lease and the number of sensors they own and have room for", async () => {
  await using fresh = await emptyDatabase();
  const { database } = fresh;
  const id = await insertWorker(database, { name: "w-alive", instance: randomUUID() });
  await insertWorker(database, { name: "w-dead", instance: randomUUID(), leaseSeconds: -1 });
  await insertTrigger(database, "t.one");
  await insertSensor(database, { ref: "p.owned", triggerRef: "t.one" });
  await assign(database, "p.owned", "w-alive");
  await insertSensor(database, { ref: "p.builtin", triggerRef: "t.one", runtimeRef: "core.sensor.builtin" });
  await assign(database, "p.builtin", "w-alive");
  await using api = await serve(database);

  const answer = await list(api, "/api/v1/workers");

  expectShape(ListAnswer(WorkerAnswer), answer);
  expect(answer.items).toMatchObject([
    {
      id: Number(id),
      name: "w-alive",
      worker_type: "local",
      worker_role: "sensor",
      status: "active",
      alive: true,
      sensors_held: 2,
      capacity_used: 1,
      capabilities: { runtimes: ["python", "shell"], max_concurrent_sensors: 10 },
    },
    { name: "w-dead", alive: false, sensors_held: 0, capacity_used: 0 },
  ]);
  const dead = (await list(api, "/api/v1/workers?alive=false")).items;
  expect(dead).toMatchObject([{ name: "w-dead" }]);
  expect((await ask(api, "/api/v1/workers/w-dead")).body).toEqual({ data: dead[0] });
  expect(await ask(api, "/api/v1/workers/none")).toMatchObject({ status: 404, body: { code: "NOT_FOUND" } });
  expect((await list(api, "/api/v1/workers?role=action")).items).toEqual([]);
  expect((await list(api, "/api/v1/workers?status=active&sort=-name")).items).toMatchObject([
    { name: "w-dead" },
    { name: "w-alive" },
  ]);
});

test("a sensor is shown with its owner and how its process last ended", async () => {
  await using fresh = await emptyDatabase();
  const { database } = fresh;
  const worker = await insertWorker(database, { name: "w1", instance: randomUUID() });
  const trigger = await insertTrigger(database, "t.one");
  const second = await insertTrigger(database, "t.two");
  const id = await insertSensor(database, { ref: "p.failing", triggerRef: "t.one" });
  await query(database, "insert into sensor_trigger (sensor, trigger) values ($1, $2)", [id, second]);
  await query(database, `update sensor set config = '{"password": "hunter2"}'`);
  await assign(database, "p.failing", "w1");
  await report(database, "p.failing", "w1", "backoff");
  const viewer: Caller = { identityId: "1", login: "v", jti: null, expiresAtMs: 0, role: "viewer" };
  const resources = databaseResources(database);
  await using api = await serve(database, { platform: { authenticate: async () => viewer, resources } });

  const { status, body } = await ask(api, "/api/v1/sensors/p.failing", {
    headers: { authorization: "Bearer any" },
  });

  expect(status).toBe(200);
  const { data } = body as { data: Item };
  expectShape(SensorAnswer, data);
  expect(data).toMatchObject({
    id: Number(id),
    ref: "p.failing",
    pack_ref: "p",
    runtime_ref: "core.sensor.python",
    trigger: Number(trigger),
    trigger_ref: "t.one",
    trigger_refs: ["t.one", "t.two"],
    enabled: true,
    protocol: "stream",
    param_schema: {},
    state: "backoff",
    worker: Number(worker),
    worker_name: "w1",
    process: {
      status: "backoff",
      worker_name: "w1",
      current: true,
      pid: 4711,
      failures: 2,
      exit_code: 1,
      signal: null,
      reason: "it exited with code 1",
      stderr_excerpt: "KeyError",
    },
  });
  expect(JSON.stringify(data)).not.toContain("hunter2");
});

test("the state is the owner's report, and never that of a worker that died", async () => {
  await using fresh = await emptyDatabase();
  const { database } = fresh;
  await insertWorker(database, { name: "w-new", instance: randomUUID() });
  await insertWorker(database, { name: "w-dead", instance: randomUUID(), leaseSeconds: -60 });
  await insertTrigger(database, "t.one");
  const cases = [
    { ref: "p.current", owner: "w-new", reporter: "w-new", status: "running", state: "running" },
    { ref: "p.claimed", owner: "w-new", reporter: "w-dead", status: "running", state: "starting" },
    { ref: "p.lost", owner: null, reporter: "w-dead", status: "running", state: "stopped" },
    { ref: "p.given-up", owner: null, reporter: "w-dead", status: "failed", state: "failed" },
    { ref: "p.never", owner: null, reporter: null, status: null, state: "stopped" },
  ];
  for (const { ref, owner, reporter, status } of cases) {
    await insertSensor(database, { ref, triggerRef: "t.one" });
    if (owner !== null) await assign(database, ref, owner);
    if (reporter !== null) await report(database, ref, reporter, status);
  }
  await using api = await serve(database);

  const { items } = await list(api, "/api/v1/sensors");

  expectShape(ListAnswer(SensorAnswer), await list(api, "/api/v1/sensors"));
  const ofPack = items.filter(({ ref }) => String(ref).startsWith("p."));
  expect(ofPack.map(({ ref, state, worker_name }) => ({ ref, state, owner: worker_name }))).toEqual(
    cases.map(({ ref, state, owner }) => ({ ref, state, owner })),
  );
  for (const { ref, state } of cases) {
    const found = await list(api, `/api/v1/sensors?state=${state}`);
    expect(found.items.map((item) => item["ref"])).toContain(ref);
    expect(found.items.every((item) => item["state"] === state)).toBe(true);
  }
});

test("the list says why no worker can run a sensor, while it should run", async () => {
  await using fresh = await emptyDatabase();
  const { database } = fresh;
  await insertTrigger(database, "t.one");
  await insertRule(database, { ref: "p.rule", triggerRef: "t.one" });
  const sensorId = await insertSensor(database, { ref: "p.nowhere", triggerRef: "t.one" });
  const reason = "worker w1 does not offer the runtime python";
  await rowsOf(database, noteUnplacedSensors, [{ sensorId, reason }]);
  await using api = await serve(database);
  const reasons = async () =>
    (await list(api, "/api/v1/sensors?pack_ref=p")).items.map((item) => item["reason"]);

  expect(await reasons()).toEqual([reason]);
  await query(database, "update rule set enabled = false");
  expect(await reasons()).toEqual([null]);
});

test("sensors are filtered by trigger, pack, owner and whether they are enabled", async () => {
  await using fresh = await emptyDatabase();
  const { database } = fresh;
  await insertWorker(database, { name: "w1", instance: randomUUID() });
  await insertTrigger(database, "t.one");
  const second = await insertTrigger(database, "t.two");
  const both = await insertSensor(database, { ref: "p.both", triggerRef: "t.one" });
  await query(database, "insert into sensor_trigger (sensor, trigger) values ($1, $2)", [both, second]);
  await insertSensor(database, { ref: "q.two", triggerRef: "t.two" });
  await insertSensor(database, { ref: "q.unknown", triggerRef: "t.nowhere" });
  await query(database, "update sensor set enabled = false where ref = 'q.two'");
  await assign(database, "q.unknown", "w1");
  await using api = await serve(database);
  const refs = async (filter: string) =>
    (await list(api, `/api/v1/sensors?${filter}`)).items.map(({ ref }) => ref);

  expect(await refs("trigger_ref=t.two")).toEqual(["p.both", "q.two"]);
  expect(await refs("trigger_type=t.two")).toEqual(["p.both", "q.two"]);
  expect(await refs("trigger_ref=t.nowhere")).toEqual(["q.unknown"]);
  expect(await refs("pack_ref=q&enabled=true")).toEqual(["q.unknown"]);
  expect(await refs("worker=w1")).toEqual(["q.unknown"]);
  expect(await refs("worker=nobody")).toEqual([]);
  expect(await refs("unknown=1")).toHaveLength(3);
});

// Goal: paging shows each row once. Method: rows with equal sort keys, and rows added meanwhile.
test("pages neither overlap nor leave gaps, also while sensors are added", async () => {
  await using fresh = await emptyDatabase();
  const { database } = fresh;
  await query(
    database,
    `insert into sensor (ref, runtime_ref, trigger_ref, created)
     select 'p.s' || n, 'core.sensor.python', 't.one', '2026-01-01' from generate_series(1, 25) as n`,
  );
  await using api = await serve(database);

  const seen: unknown[] = [];
  for (let page = 1, hasNext = true; hasNext; page += 1) {
    const { items, pagination } = await list(api, `/api/v1/sensors?page=${page}&page_size=10&sort=created`);
    seen.push(...items.map(({ ref }) => ref));
    hasNext = pagination["has_next"] === true;
    if (page === 1) {
      expect(pagination).toEqual({
        page: 1,
        page_size: 10,
        total_items: 25,
        total_pages: 3,
        has_next: true,
        has_previous: false,
        next: expect.any(String),
      });
      await insertSensor(database, { ref: "p.later", triggerRef: "t.one" });
    }
  }

  expect(seen).toEqual([...Array.from({ length: 25 }, (_, index) => `p.s${index + 1}`), "p.later"]);
});

// Goal: reading on from a cursor shows each entry once that is there from the first page to the last.
// Method: every order of every list; equal keys, keys of microseconds, and after each page entries before it are deleted and
// others added.
test.each(["sensors", "rules", "triggers", "workers"])(
  "a cursor goes on where a page of %s ended, also when entries were deleted meanwhile",
  async (path) => {
    await using fresh = await emptyDatabase();
    const { database } = fresh;
    await using api = await serve(database);
    const name = path === "workers" ? "name" : "ref";
    for (const sort of ["id", "-id", name, `-${name}`, "created", "-created", "updated", "-updated"]) {
      await query(database, `delete from ${path.slice(0, -1)}`);
      await addMany(database, path, 25);
      const seen: string[] = [];
      let cursor = "";
      for (let hasNext = true; hasNext;) {
        const after = cursor === "" ? "" : `&after=${cursor}`;
        const { items, pagination } = await list(api, `/api/v1/${path}?page_size=10&sort=${sort}${after}`);
        expect(pagination["total_items"]).toBe(25 - seen.length);
        seen.push(...items.map((item) => String(item[name])));
        hasNext = pagination["has_next"] === true;
        expect(pagination["next"]).toEqual(hasNext ? expect.any(String) : null);
        cursor = String(pagination["next"]);
        await query(database, `delete from ${path.slice(0, -1)} where ${name} = any ($1)`, [seen]);
      }
      expect({ sort, seen: seen.toSorted() }).toEqual({
        sort,
        seen: Array.from({ length: 25 }, (_, index) => `p.s${index + 1}`).toSorted(),
      });
    }
  },
);

/** With equal instants, and with some that differ by microseconds. */
async function addMany(database: Database, path: string, count: number): Promise<void> {
  const columns = {
    sensors: ["ref, runtime_ref, trigger_ref", "'p.s' || n, 'core.sensor.python', 't.one'"],
    rules: ["ref, action_ref, trigger_ref", "'p.s' || n, 'core.noop', 't.one'"],
    triggers: ["ref", "'p.s' || n"],
    workers: ["name, worker_type, worker_role", "'p.s' || n, 'local', 'sensor'"],
  }[path];
  const at = "timestamptz '2026-01-01' + (n / 3) * interval '1 microsecond'";
  await query(
    database,
    `insert into ${path.slice(0, -1)} (${columns?.[0]}, created, updated)
     select ${columns?.[1]}, ${at}, ${at} from generate_series(1, ${count}) as n`,
  );
}

test.each([
  "x",
  "W10",
  "a".repeat(2_049),
  cursorText("ref", "a", "1"),
  cursorText("id", "1", "x"),
  cursorText("id", 1, "1"),
])("what is no cursor of this list is refused: %s", async (cursor) => {
  await using fresh = await emptyDatabase();
  await using api = await serve(fresh.database);

  const { status, body } = await ask(api, `/api/v1/sensors?after=${cursor}`);

  expect({ status, body }).toMatchObject({ status: 422, body: { code: "VALIDATION_FAILED" } });
});

function cursorText(...values: readonly unknown[]): string {
  return Buffer.from(JSON.stringify(values)).toString("base64url");
}

test("a search finds what contains the text, in upper or lower case, and nothing is a pattern", async () => {
  await using fresh = await emptyDatabase();
  const { database } = fresh;
  await query(
    database,
    `insert into sensor (ref, label, runtime_ref, trigger_ref)
     values ('garden.thermo', 'Temperature', 'core.sensor.python', 't.one'), ('garden.rain', '50% rain_', 'core.sensor.python', 't.one'),
            ('shed.DOOR', 'Door', 'core.sensor.python', 't.one')`,
  );
  await using api = await serve(database);
  const found = async (text: string): Promise<readonly unknown[]> => {
    const { items, pagination } = await list(api, `/api/v1/sensors?sort=ref&q=${encodeURIComponent(text)}`);
    expect(pagination["total_items"]).toBe(items.length);
    return items.map(({ ref }) => ref);
  };

  expect(await found("GARDEN.")).toEqual(["garden.rain", "garden.thermo"]);
  expect(await found("door")).toEqual(["shed.DOOR"]);
  expect(await found("temper")).toEqual(["garden.thermo"]);
  expect(await found("0%")).toEqual(["garden.rain"]);
  expect(await found("n_")).toEqual(["garden.rain"]);
  expect(await found("g%n")).toEqual([]);
  expect((await list(api, "/api/v1/sensors?q=garden&page_size=1")).pagination).toMatchObject({
    total_items: 2,
    has_next: true,
  });
});

test.each([
  { asked: "", page: 1, page_size: 50, shown: 50 },
  { asked: "?page_size=1000", page: 1, page_size: 100, shown: 100 },
  { asked: "?per_page=7", page: 1, page_size: 7, shown: 7 },
  { asked: "?limit=8&page=2", page: 2, page_size: 8, shown: 8 },
  { asked: "?page_size=0&page=0", page: 1, page_size: 1, shown: 1 },
  { asked: "?page=-4&limit=-1", page: 1, page_size: 1, shown: 1 },
  { asked: "?page=99", page: 99, page_size: 50, shown: 0 },
  { asked: "?page=99999999999999999999", page: 1_000_000_000, page_size: 50, shown: 0 },
])("a page of $asked has $shown entries", async ({ asked, page, page_size, shown }) => {
  await using fresh = await emptyDatabase();
  await query(
    fresh.database,
    `insert into sensor (ref, runtime_ref, trigger_ref)
     select 'p.s' || n, 'core.sensor.python', 't.one' from generate_series(1, 120) as n`,
  );
  await using api = await serve(fresh.database);

  const { items, pagination } = await list(api, `/api/v1/sensors${asked}`);

  expect(items).toHaveLength(shown);
  expect(pagination).toMatchObject({ page, page_size, total_items: 120 });
});

test("an id beyond 2^53 - 1 is decimal text, and numbers of a JSON column keep their digits", async () => {
  await using fresh = await emptyDatabase();
  await query(
    fresh.database,
    `insert into sensor (id, ref, runtime_ref, trigger_ref, param_schema)
     values (9007199254740993, 'p.big', 'core.sensor.python', 't.one', '{"maximum": 9007199254740993, "step": 1.50}')`,
  );
  await using api = await serve(fresh.database);

  const text = await (await fetch(`${api.address}/api/v1/sensors/p.big`, { headers: asViewer })).text();

  expect(text).toContain('"id":"9007199254740993"');
  expect(text).toContain('"param_schema":{"step":1.50,"maximum":9007199254740993}');
});

test("parameters that are not valid are all named at once", async () => {
  await using fresh = await emptyDatabase();
  await using api = await serve(fresh.database);

  const { status, body } = await ask(api, "/api/v1/sensors?page=two&enabled=maybe&state=asleep&pack_ref=%00");

  expect(status).toBe(422);
  expect(body).toMatchObject({
    code: "VALIDATION_FAILED",
    error: expect.stringMatching(/^Not valid: /),
    details: expect.arrayContaining([
      { parameter: "page", problem: "must be a whole number" },
      { parameter: "enabled", problem: "must be true or false" },
      { parameter: "state", problem: "must be one of starting, running, backoff, failed, stopped" },
      { parameter: "pack_ref", problem: "must not contain the character NUL" },
    ]),
  });
  expect(await ask(api, "/api/v1/sensors?state=failed&state=stopped")).toMatchObject({ status: 422 });
});

test.each([
  { path: "/api/v1/sensors/no.such", status: 404, code: "NOT_FOUND" },
  { path: "/api/v1/sensors/%00", status: 422, code: "VALIDATION_FAILED" },
  { path: `/api/v1/sensors/${"x".repeat(300)}`, status: 414, code: "URI_TOO_LONG" },
  { path: "/api/v1/sensors/..%2f..%2fetc%2fpasswd", status: 404, code: "NOT_FOUND" },
  { path: "/api/v1/nothing", status: 404, code: "NOT_FOUND" },
  { path: "/api/v1", status: 404, code: "NOT_FOUND" },
])("$path is answered $status", async ({ path, status, code }) => {
  await using fresh = await emptyDatabase();
  await using api = await serve(fresh.database);

  expect(await ask(api, path)).toMatchObject({ status, body: { code } });
});

test("a method that a path with a ref in it does not support is 405 and names those it does", async () => {
  await using fresh = await emptyDatabase();
  await using api = await serve(fresh.database);

  const { status, headers, body } = await ask(api, "/api/v1/sensors/a.b", { method: "POST" });

  expect(status).toBe(405);
  expect(headers.get("allow")?.split(", ").toSorted()).toEqual(["DELETE", "GET", "HEAD", "PATCH", "PUT"]);
  expect(body).toMatchObject({ code: "METHOD_NOT_ALLOWED" });
});

test.each([
  { what: "no token", headers: {} },
  { what: "a token that is not valid", headers: { authorization: "Bearer forged" } },
  { what: "another scheme", headers: { authorization: "Basic viewer" } },
  { what: "two tokens", headers: { authorization: "Bearer viewer viewer" } },
])("with $what the resources are refused, and health is answered", async ({ headers }) => {
  await using fresh = await emptyDatabase();
  await using api = await serve(fresh.database);

  const refused = await ask(api, "/api/v1/sensors", { headers });

  expect(refused).toMatchObject({ status: 401, body: { code: "UNAUTHORIZED" } });
  expect(refused.headers.get("www-authenticate")).toBe("Bearer");
  expect(await ask(api, "/health", { headers })).toMatchObject({ status: 200 });
});

test("a role that a route is not for is refused", async () => {
  await using fresh = await emptyDatabase();
  await using api = await serve(fresh.database);

  for (const role of ["worker", "sensor"]) {
    const headers = { authorization: `Bearer ${role}` };
    expect(await ask(api, "/api/v1/workers", { headers })).toMatchObject({
      status: 403,
      body: { code: "FORBIDDEN", error: `This is not for callers with the role ${role}.` },
    });
  }
});

test("the embedded database gives the same answers", async () => {
  await using directory = await mkdtempDisposable(join(tmpdir(), "attune-embedded-"));
  await using database = await openEmbedded({ dataDirectory: directory.path, logger: silentLogger });
  await migrate(database, loadMigrations(), silentLogger);
  await insertWorker(database, { name: "w1", instance: randomUUID() });
  await insertTrigger(database, "t.one");
  await insertSensor(database, { ref: "p.one", triggerRef: "t.one" });
  await assign(database, "p.one", "w1");
  await report(database, "p.one", "w1", "running");
  await using api = await serve(database);

  const sensors = await list(api, "/api/v1/sensors?state=running&sort=-updated");
  const workers = await list(api, "/api/v1/workers?alive=true");

  expectShape(ListAnswer(SensorAnswer), sensors);
  expectShape(ListAnswer(WorkerAnswer), workers);
  expect(sensors.items).toMatchObject([{ ref: "p.one", worker_name: "w1" }]);
  expect(workers.items).toMatchObject([{ name: "w1", sensors_held: 1 }]);
}, 120_000);

/** Well-formed, with keys that the database could not compare. */
const cursors = [
  cursorText("id", "", "9".repeat(18)),
  cursorText("ref", "\u0000", "1"),
  cursorText("ref", "\ud800", "1"),
  cursorText("created", "9".repeat(17), "1"),
  cursorText("created", `-${"9".repeat(17)}`, "1"),
  cursorText("created", "x", "1"),
];

// Goal: nothing in a client's URL causes an internal error.
test("whatever a URL holds, the answer is a list, a sensor or a refusal in one shape", async () => {
  await using fresh = await emptyDatabase();
  await using api = await serve(fresh.database);
  const value = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.constantFrom(
      ...cursors,
      "\u0000",
      "1e999",
      "-0",
      "NaN",
      "null",
      "9".repeat(40),
      "'; drop table sensor; --",
      "%",
    ),
    fc.integer().map(String),
  );
  const name = fc.constantFrom(
    "page",
    "page_size",
    "limit",
    "sort",
    "enabled",
    "alive",
    "state",
    "trigger_ref",
    "worker",
    "q",
    "after",
    "__proto__",
  );
  const path = fc.oneof(
    fc.constantFrom("sensors", "workers"),
    value.map((ref) => `sensors/${encodeURIComponent(ref.toWellFormed())}`),
  );
  const encoded = value.map((text) => encodeURIComponent(text.toWellFormed()));
  const parameters = fc.array(fc.tuple(name, fc.oneof(encoded, fc.constant("%zz"))), { maxLength: 4 });

  await fc.assert(
    fc.asyncProperty(path, parameters, async (asked, given) => {
      const queryText = given.map(([key, text]) => `${key}=${text}`).join("&");
      const { status, body } = await ask(api, `/api/v1/${asked}?${queryText}`);

      expect(status).toBeLessThan(500);
      if (status === 200) return;
      expect(body).toMatchObject({ error: expect.any(String) as string, code: expect.any(String) as string });
      expect(JSON.stringify(body)).not.toMatch(/\bat .*\.ts:\d+/);
    }),
    { numRuns: 300 },
  );
}, 120_000);

test("a listener without resources serves none", async () => {
  await using api = await startApi(withoutResources);

  expect(await ask(api, "/api/v1/sensors")).toMatchObject({ status: 404, body: { code: "NOT_FOUND" } });
  expect((await ask(api, "/health")).status).toBe(200);
});
