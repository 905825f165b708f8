import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { Database } from "../../../src/database/database.ts";
import { classifyDatabaseError } from "../../../src/database/errors.ts";
import { openPostgresql, type PostgresqlOptions } from "../../../src/database/postgresql/postgresql.ts";
import { openReader } from "../../../src/database/postgresql/reader.ts";
import { rowOf, rowsOf } from "../../../src/database/statement.ts";
import { forgetMessages, measureOutbox } from "../../../src/database/statements/outbox.ts";
import { silentLogger } from "../../../src/telemetry/logger.ts";
import { systemClock, type Clock } from "../../../src/time/clock.ts";
import { startFaultProxy, type FaultProxy } from "../../support/fault-proxy.ts";
import {
  asSuperuser,
  emptyDatabase,
  freshDatabase,
  privatePostgres,
  type FreshDatabase,
} from "../../support/postgres.ts";
import { recordingLogger } from "../../support/recording-logger.ts";
import { testConformance } from "../conformance.ts";

/** Each garbles a value that is read or written with it. */
const oddForms = {
  DateStyle: "German, DMY",
  IntervalStyle: "iso_8601",
  TimeZone: "America/St_Johns",
  extra_float_digits: "-15",
  standard_conforming_strings: "off",
  array_nulls: "off",
  quote_all_identifiers: "on",
  bytea_output: "escape",
};

/** Far beyond what it takes, for a busy machine. */
const soon = { timeout: 10_000 };

describe("PostgreSQL as a database", () => {
  let shared: FreshDatabase;
  beforeAll(async () => {
    shared = await freshDatabase();
  });
  afterAll(() => shared[Symbol.asyncDispose]());

  testConformance(async () => shared.database);

  test("a lock excludes another process's connection", async () => {
    await using other = await openPostgresql({ url: shared.url, logger: silentLogger });
    const lock = await shared.database.tryLock("shared");
    expect(await other.tryLock("shared")).toBeUndefined();

    await lock?.[Symbol.asyncDispose]();

    expect((await other.tryLock("shared"))?.isHeld).toBe(true);
  });

  test("the trace of an error shows who sent the statement", async () => {
    async function askForNothing(): Promise<void> {
      await shared.database.query({ text: "select 1 / 0" });
    }

    const error: unknown = await askForNothing().catch((thrown: unknown) => thrown);

    expect(error).toMatchObject({ code: "22012", stack: expect.stringContaining("askForNothing") });
  });

  test("relaxed statements commit without waiting for the disk, others wait", async () => {
    const text = "select current_setting('synchronous_commit') as wait";
    expect((await shared.database.query({ text })).rows).toEqual([{ wait: "on" }]);
    expect((await shared.database.relaxed.query({ text })).rows).toEqual([{ wait: "off" }]);
  });

  // A prepared statement is planned once, perhaps while the table is empty. Deleted rows then pile up until the next vacuum.
  test("the outbox is counted and emptied by its index, however small it was when that was planned", async () => {
    await using fresh = await freshDatabase();
    const { relaxed } = fresh.database;
    for (let n = 0; n < 10; n += 1) {
      const messageIds = Array.from({ length: 50 }, () => randomUUID());
      const text = `insert into outbox (message_id, routing_key, event) select unnest($1::uuid[]), 'event.created', 1`;
      await relaxed.query({ text, values: [messageIds] });
      await rowOf(relaxed, measureOutbox, undefined);
      await rowsOf(relaxed, forgetMessages, { messageIds });
    }
    for (const statement of [`forget_messages('{${randomUUID()}}')`, "measure_outbox"]) {
      const { rows } = await relaxed.query({ text: `explain execute ${statement}` });
      const plan = JSON.stringify(rows);
      expect(plan).toContain("outbox_pkey");
      expect(plan).not.toContain("Seq Scan");
    }
  });

  test("no statement is compiled just in time, whatever the server is told to do", async () => {
    await using fresh = await freshDatabase();
    const name = new URL(fresh.url).pathname.slice(1);
    await asSuperuser((client) => client.query(`alter database ${name} set jit_above_cost = 0`));
    await using database = await openPostgresql({ url: fresh.url, logger: silentLogger });
    const text = "select current_setting('jit') as jit, current_setting('jit_above_cost') as cost";

    for (const each of [database, database.relaxed, database.reserved]) {
      expect((await each.query({ text })).rows).toEqual([{ jit: "off", cost: "0" }]);
    }
  });

  // Goal: whatever an operator has set for the database, values are sent and read as the code expects them.
  // Method: a database with every such setting odd; each kind of connection reads a value that the setting would garble.
  test("the role's or database's own forms of values change nothing", async () => {
    await using fresh = await freshDatabase();
    const name = new URL(fresh.url).pathname.slice(1);
    await asSuperuser(async (client) => {
      for (const [setting, value] of Object.entries(oddForms))
        await client.query(`alter database ${name} set ${setting} = '${value}'`);
    });
    await using database = await openPostgresql({ url: fresh.url, logger: silentLogger });
    const reader = { url: fresh.url, tls: {}, schema: "attune", applicationName: "odd", statementMs: 30_000 };
    await using alone = await openReader(reader);
    const at = new Date("2026-02-03T04:05:06.789Z");
    const text = String.raw`select $1::timestamptz as at, '2026-02-03T04:05:06.789Z'::timestamptz::text as written,
                                   '1.5 hours'::interval::text as span, 0.1::float8 + 0.2::float8 as float, '\d' as pattern,
                                   $2::text[] as list, 'event'::regclass::text as "table", '\x00ff'::bytea as bytes`;
    const values = [at, ["null", null]];
    const expected = {
      at,
      written: "2026-02-03 04:05:06.789+00",
      span: "01:30:00",
      float: 0.1 + 0.2,
      pattern: String.raw`\d`,
      list: ["null", null],
      table: "event",
      bytes: Buffer.from([0, 255]),
    };

    for (const each of [database, database.relaxed, database.reserved])
      expect((await each.query({ text, values })).rows).toEqual([expected]);
    const read: unknown[] = [];
    await alone.eachRow({ text, values }, (columns) => read.push(columns));
    expect(read).toEqual([Object.values(expected)]);
  });

  test("a statement waits for a lock, however impatient the role's or database's default is", async () => {
    await using fresh = await freshDatabase();
    const name = new URL(fresh.url).pathname.slice(1);
    await asSuperuser((client) => client.query(`alter database ${name} set lock_timeout = 1`));
    await using database = await openPostgresql({ url: fresh.url, logger: silentLogger });
    const holder = await fresh.connect();
    await holder.query("begin; select from rule_revision for update");

    const waiting = database.query({ text: "update rule_revision set value = value" });
    await expect
      .poll(async () => (await holder.query("select from pg_locks where not granted")).rowCount, soon)
      .toBe(1);
    await holder.query("commit");

    await expect(waiting).resolves.toMatchObject({ rows: [] });
  });

  // Goal: what a query needed is freed by the next collection of the young generation.
  // Method: a program sends many of them, and compares what is in the old generation before and after.
  test("no query outlives its answer in the old generation", async () => {
    const program = join(import.meta.dirname, "../../fixtures/queries-in-turn.ts");
    const args = ["--expose-gc", program, shared.url];
    const { stdout } = await promisify(execFile)(process.execPath, args);
    const { kept, sent }: { kept: number; sent: number } = JSON.parse(stdout);
    expect(kept).toBeLessThan(sent / 10);
  });

  test("never more connections than allowed", async () => {
    await using fresh = await freshDatabase({ connectionsMax: 4, applicationName: "counted" });
    const slow = { text: "select pg_sleep(0.05)" };
    const work = [
      ...Array.from({ length: 12 }, () => fresh.database.query(slow)),
      ...Array.from({ length: 12 }, () => fresh.database.relaxed.query(slow)),
      ...Array.from({ length: 4 }, () => fresh.database.reserved.query(slow)),
    ];
    const over = new AbortController();
    const done = Promise.all(work).finally(() => over.abort());
    const text = "select count(*)::int as n from pg_stat_activity where application_name = 'counted'";
    const counts: number[] = [];
    await asSuperuser(async (client) => {
      while (!over.signal.aborted) counts.push((await client.query<{ n: number }>(text)).rows[0]?.n ?? 0);
    });
    await done;

    expect(Math.max(...counts)).toBe(4);
  });

  test("the reserved connection waits for no other statement, no commit on the disk, and no lock for long", async () => {
    await using fresh = await freshDatabase({ connectionsMax: 3 });
    const { database } = fresh;
    await database.query({ text: "insert into pack (ref) values ('locked')" });

    await database.transaction(async (busy) => {
      await busy.query({ text: "select from pack where ref = 'locked' for update" });
      const text = "select current_setting('synchronous_commit') as wait";
      expect((await database.reserved.query({ text })).rows).toEqual([{ wait: "off" }]);
      const locked = database.reserved.query({ text: "update pack set label = '' where ref = 'locked'" });
      await expect(locked).rejects.toMatchObject({ code: "55P03" });
    });
  });

  test("a refused statement costs no connection", async () => {
    await using fresh = await freshDatabase({ connectionsMax: 3 });
    const backend = { text: "select pg_backend_pid() as pid" };
    const before = await fresh.database.query(backend);
    await fresh.database.query({ text: "select 1 / 0" }).catch(() => {});

    expect((await fresh.database.query(backend)).rows).toEqual(before.rows);
  });
});

describe("opening", () => {
  test("an unreachable address is an operator error without the password", async () => {
    const failure: unknown = await openPostgresql({
      url: "postgresql://attune:secret@127.0.0.1:1/attune",
      logger: silentLogger,
    }).catch((error: unknown) => error);

    expect(failure).toMatchObject({ code: "DATABASE_UNREACHABLE" });
    expect(String(failure)).toContain("127.0.0.1:1/attune");
    expect(String(failure)).not.toContain("secret");
  });

  test("a refused login is reported with the reason", async () => {
    await using empty = await emptyDatabase();
    const url = new URL(empty.url);
    url.password = "wrong";

    await expect(openPostgresql({ url: url.href, logger: silentLogger })).rejects.toThrow(
      /password authentication failed/,
    );
  });

  test("a caller that waits gets a database that is down and answers as soon as it can", async () => {
    await using empty = await emptyDatabase();
    await using proxy = await proxyTo(empty.url);
    proxy.refuse();
    await using database = await open(proxy, empty.url, { whenUnreachable: "wait" });
    expect(database.health().state).toBe("down");
    await expect(database.query({ text: "select 1" })).rejects.toMatchObject({ outcome: "nothing-done" });
    const heard: unknown[] = [];
    await database.listen("late", (payload) => heard.push(payload));

    proxy.resume();

    await expect.poll(() => database.health().state, soon).toBe("up");
    await expect.poll(() => heard, soon).toEqual([undefined]);
    expect((await database.query({ text: "select 1 as one" })).rows).toEqual([{ one: 1 }]);
  });

  test("settings in the URL are kept, and win", async () => {
    await using empty = await emptyDatabase();
    const url = `${empty.url}?application_name=mine&options=-c%20work_mem%3D7MB%20-c%20statement_timeout%3D1234`;
    await using database = await openPostgresql({ url, logger: silentLogger, schema: 'odd "name' });
    const { rows } = await database.query({
      text: `select name, setting from pg_settings
              where name in ('application_name', 'search_path', 'statement_timeout', 'tcp_keepalives_idle', 'work_mem')
              order by name`,
    });

    expect(rows).toEqual([
      { name: "application_name", setting: "mine" },
      { name: "search_path", setting: '"odd ""name", public' },
      { name: "statement_timeout", setting: "1234" },
      { name: "tcp_keepalives_idle", setting: "10" },
      { name: "work_mem", setting: "7168" },
    ]);
  });
});

describe("a connection that fails", () => {
  test("a half-dead socket fails the query in time, is reported by health, and is replaced", async () => {
    await using empty = await emptyDatabase();
    await using proxy = await proxyTo(empty.url);
    await using database = await open(proxy, empty.url, { queryTimeoutMs: 300, connectTimeoutMs: 300 });
    await database.query({ text: "select 1" });
    const lock = await database.tryLock("mine");

    proxy.freeze();
    const failure: unknown = await database.query({ text: "select 1" }).catch((error: unknown) => error);
    expect(classifyDatabaseError(failure)).toBe("ambiguous");
    await expect.poll(() => database.health().state, soon).toBe("down");
    await expect.poll(() => lock?.isHeld, soon).toBe(false);

    proxy.resume();
    await expect.poll(() => database.health().state, soon).toBe("up");
    expect((await database.query({ text: "select 1 as one" })).rows).toEqual([{ one: 1 }]);
  });

  test("a connection that went silent is given up after one query, not used again", async () => {
    await using empty = await emptyDatabase();
    await using proxy = await proxyTo(empty.url);
    await using database = await open(proxy, empty.url, { queryTimeoutMs: 300 });
    await database.query({ text: "select 1" });

    proxy.abandon();
    await expect(database.query({ text: "select 1" })).rejects.toMatchObject({ outcome: "unknown" });

    expect((await database.query({ text: "select 1 as one" })).rows).toEqual([{ one: 1 }]);
  });

  test("an idle connection that breaks causes no error", async () => {
    await using empty = await emptyDatabase();
    await using database = await openPostgresql({ url: empty.url, logger: silentLogger });
    await database.query({ text: "select 1" });

    await asSuperuser((client) =>
      client.query("select pg_terminate_backend(pid) from pg_stat_activity where datname = $1", [
        new URL(empty.url).pathname.slice(1),
      ]),
    );

    await expect.poll(async () => answers(database), soon).toBe(true);
  });

  test("a connection cut in the middle of a transaction means that nothing was done", async () => {
    await using empty = await emptyDatabase();
    await using proxy = await proxyTo(empty.url);
    await using database = await open(proxy, empty.url);
    const failure: unknown = await database
      .transaction(async (transaction) => {
        await transaction.query({ text: "select 1" });
        proxy.cut();
        await expect.poll(() => proxy.connectionsOpen, soon).toBe(0);
        await transaction.query({ text: "select 2" });
      })
      .catch((error: unknown) => error);

    expect(failure).toMatchObject({ name: "ConnectionError", outcome: "nothing-done" });
    expect(classifyDatabaseError(failure)).toBe("unavailable");
    await expect.poll(async () => answers(database), soon).toBe(true);
  });

  // Goal: a process frozen between two statements holds up others for one query timeout, and then has done nothing.
  // Method: a transaction sends nothing until another session has got the row that it locked.
  test("a transaction that sends nothing loses its locks, and its connection is replaced", async () => {
    await using fresh = await freshDatabase({ queryTimeoutMs: 500 });
    const { database } = fresh;
    await database.query({ text: "insert into pack (ref) values ('locked')" });
    const other = await fresh.connect();
    await other.query("set statement_timeout = '10s'");

    const failure: unknown = await database
      .transaction(async (transaction) => {
        await transaction.query({ text: "update pack set label = 'frozen' where ref = 'locked'" });
        await other.query("update pack set description = 'other' where ref = 'locked'");
        await transaction.query({ text: "select 1" });
      })
      .catch((error: unknown) => error);

    expect(failure).toMatchObject({ name: "ConnectionError", outcome: "nothing-done" });
    const text = "select label, description from pack where ref = 'locked'";
    expect((await database.query({ text })).rows).toEqual([{ label: "", description: "other" }]);
  });

  test("a connection cut while the commit is under way leaves the outcome unknown", async () => {
    await using empty = await emptyDatabase();
    await using proxy = await proxyTo(empty.url);
    await using database = await open(proxy, empty.url, { queryTimeoutMs: 4_000 });
    let frozenAtMs = 0;
    const work = database.transaction(async (transaction) => {
      await transaction.query({ text: "create table t (a int)" });
      proxy.freeze();
      frozenAtMs = performance.now();
    });

    await expect(work).rejects.toMatchObject({ name: "ConnectionError", outcome: "unknown" });
    expect(performance.now() - frozenAtMs).toBeLessThan(7_900); // One timeout, not a second one to roll back.
  });

  test("a lost session is established again: listeners are called, its locks are gone", async () => {
    await using fresh = await freshDatabase();
    await using proxy = await proxyTo(fresh.url);
    await using database = await open(proxy, fresh.url);
    const heard: (string | undefined)[] = [];
    await database.listen("again", (payload) => heard.push(payload));
    const lock = await database.tryLock("lost");

    proxy.cut();
    await expect.poll(() => lock?.isHeld, soon).toBe(false);
    await expect.poll(() => heard, soon).toEqual([undefined, undefined]);
    await fresh.database.query({ text: "select pg_notify('again', 'after')" });

    await expect.poll(() => heard, soon).toEqual([undefined, undefined, "after"]);
    await expect.poll(async () => (await database.tryLock("lost"))?.isHeld, soon).toBe(true);
    await lock?.[Symbol.asyncDispose]();
    expect(await fresh.database.tryLock("lost")).toBeUndefined(); // The old holder cannot release the new one's.
  });

  test("an outage is two log lines, however long it lasts and however often it is retried", async () => {
    await using empty = await emptyDatabase();
    await using proxy = await proxyTo(empty.url);
    const { logger, lines } = recordingLogger();
    await using database = await open(proxy, empty.url, { logger });
    await database.query({ text: "select 1" });

    proxy.refuse();
    for (let attempt = 0; attempt < 20; attempt += 1)
      await database.query({ text: "select 1" }).catch(() => {});
    const attempts = proxy.connectionsAccepted;
    await expect.poll(() => proxy.connectionsAccepted, soon).toBeGreaterThan(attempts + 2);
    proxy.resume();
    await expect.poll(() => database.health().state, soon).toBe("up");

    expect(lines.map(({ level, message }) => `${level} ${message}`)).toEqual([
      "warn the database does not answer; trying again",
      "info the database answers again",
    ]);
  });

  test("a pool with all connections busy reports that, and nothing about the server", async () => {
    const { logger, lines } = recordingLogger();
    await using fresh = await freshDatabase({ connectionsMax: 2, connectTimeoutMs: 100, logger });
    const { database } = fresh;

    await database.transaction(async () => {
      const waiting = Array.from({ length: 3 }, () => database.query({ text: "select 1" }));
      for (const each of waiting) {
        await expect(each).rejects.toThrow("no connection: the connection for it is busy");
      }
    });

    expect(database.health().state).toBe("up");
    expect(lines).toEqual([]);
  });

  test("while statements replace its heartbeats the session looks rarely, and a frozen server is noticed after them", async () => {
    await using empty = await emptyDatabase();
    await using proxy = await proxyTo(empty.url);
    let sleeps = 0;
    const clock: Clock = {
      ...systemClock,
      sleep: (ms, signal) => {
        sleeps += 1;
        return systemClock.sleep(ms, signal);
      },
    };
    const database = await open(proxy, empty.url, { clock });
    for (let statement = 0; statement < 40; statement += 1) {
      await database.reserved.query({ text: "select 1" });
      await systemClock.sleep(50);
    }
    // 2 s; a look after each heartbeat's 200 ms would make about ten.
    expect(sleeps).toBeLessThan(7);

    proxy.freeze();

    await expect.poll(() => database.health().state, soon).toBe("down");
  });

  test("closing is bounded when no connection answers", async () => {
    await using empty = await emptyDatabase();
    await using proxy = await proxyTo(empty.url);
    const database = await open(proxy, empty.url);
    void database.query({ text: "select pg_sleep(60)" }).catch(() => {});
    await database.query({ text: "select 1" });
    proxy.freeze();

    const startMs = performance.now();
    await database[Symbol.asyncDispose]();

    expect(performance.now() - startMs).toBeLessThan(20_000);
    expect(database.health().state).toBe("down");
    await database[Symbol.asyncDispose]();
  });
});

// Goal: a restart of the server, clean or not, affects only the queries in progress.
test.each(["stop", "kill"] as const)(
  "after a %s and start of the server everything works again",
  async (end) => {
    await using server = await privatePostgres();
    await using database = await openPostgresql({ url: server.url, logger: silentLogger, heartbeatMs: 200 });
    const heard: (string | undefined)[] = [];
    await database.listen("restart", (payload) => heard.push(payload));
    const lock = await database.tryLock("restart");
    await database.query({ text: "create table kept (a int); insert into kept values (1)" });
    const underWay = database.query({ text: "select pg_sleep(60)" }).catch(classifyDatabaseError);

    await server[end]();
    expect(await underWay).toBe("ambiguous");
    await expect.poll(() => database.health().state, soon).toBe("down");
    // Another connection may notice first.
    await expect.poll(() => lock?.isHeld, soon).toBe(false);
    await server.start();

    await expect.poll(() => database.health().state, soon).toBe("up");
    expect((await database.query({ text: "select a from kept" })).rows).toEqual([{ a: 1 }]);
    await database.query({ text: "select pg_notify('restart', 'after')" });
    await expect.poll(() => heard.at(-1), soon).toBe("after");
    expect((await database.tryLock("restart"))?.isHeld).toBe(true);
  },
);

async function proxyTo(url: string): Promise<FaultProxy> {
  const { hostname, port } = new URL(url);
  return startFaultProxy({ targetHost: hostname, targetPort: Number(port || "5432") });
}

async function open(
  proxy: FaultProxy,
  url: string,
  options: Partial<PostgresqlOptions> = {},
): Promise<Database> {
  const proxied = new URL(url);
  proxied.hostname = "127.0.0.1";
  proxied.port = String(proxy.port);
  const database = await openPostgresql({
    url: proxied.href,
    logger: silentLogger,
    heartbeatMs: 200,
    ...options,
  });
  onTestFinished(() => database[Symbol.asyncDispose]());
  return database;
}

async function answers(database: Database): Promise<boolean> {
  return database.query({ text: "select 1" }).then(
    () => true,
    () => false,
  );
}
