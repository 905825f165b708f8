/** Partitions are made, retired, archived and dropped in a real database. Time is moved by giving rows an old `created`. */
import {
  mkdirSync,
  utimesSync,
  writeFileSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { openEmbedded } from "../../src/database/embedded/embedded.ts";
import { loadMigrations } from "../../src/database/migrations/bundled-migrations.ts";
import { migrate } from "../../src/database/migrations/migrate.ts";
import type { Database, Query, Queryable } from "../../src/database/database.ts";
import { rowOf } from "../../src/database/statement.ts";
import { boundLocks } from "../../src/database/statements/partitions.ts";
import { keepEverything, type KeepLimits } from "../../src/model/retention/keep-limits.ts";
import { archivePartition } from "../../src/retention/archive.ts";
import { ClockGuard } from "../../src/retention/clock-guard.ts";
import { PartitionKeeper, type PartitionKeeperOptions } from "../../src/retention/partition-keeper.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { systemClock, type Clock } from "../../src/time/clock.ts";
import { query } from "../support/platform-rows.ts";
import { freshDatabase, type FreshDatabase } from "../support/postgres.ts";
import { recordingLogger } from "../support/recording-logger.ts";

const thirtyDays: KeepLimits = { ...keepEverything, days: 30 };
const limits = { event: thirtyDays, enforcement: thirtyDays, event_key: { ...keepEverything, days: 7 } };
const stopped = new AbortController().signal;

let fresh: FreshDatabase;
let database: Database;
const folder = mkdtempSync(join(tmpdir(), "attune-archive-"));
beforeAll(async () => {
  fresh = await freshDatabase();
  ({ database } = fresh);
});
afterAll(async () => {
  await fresh[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

let dropped: string[] = [];
const keepers: PartitionKeeper[] = [];
function keeper(options: Partial<PartitionKeeperOptions> = {}): PartitionKeeper {
  dropped = [];
  const made = new PartitionKeeper({
    database,
    limits,
    archive: undefined,
    ruleVersionSeconds: 3_600,
    clockGuard: { observe: () => {}, isDoubted: () => false },
    metrics: { partitionDropped: (table) => dropped.push(table) },
    logger: silentLogger,
    clock: systemClock,
    random: Math.random,
    ...options,
  });
  keepers.push(made);
  return made;
}
afterEach(async () => {
  // Gives the lock back, as a stop does.
  for (const each of keepers.splice(0)) await each.run(AbortSignal.abort());
});

const addEvents = (count: number, age: string): Promise<{ id: string }[]> =>
  query(
    database,
    `insert into event (trigger_ref, payload, created)
     select 't', jsonb_build_object('n', n, 'digits', 1.10), now() - $2::interval from generate_series(1, $1) as n
     returning id`,
    [count, age],
  );
/** So many partitions of events with an event of 40 days ago each, and an empty one in which ids go on. */
async function addOldPartitions(of: Database, count: number): Promise<void> {
  await query(
    of,
    "select add_partition('event', n * 10000000 + 1, n * 10000000 + 10000001) from generate_series(1, $1) as n",
    [count],
  );
  await query(
    of,
    `insert into event (id, trigger_ref, payload, created)
     select n * 10000000 + 1, 't', '{}', now() - interval '40 days' from generate_series(0, $1 - 1) as n`,
    [count],
  );
  await query(of, "select setval('event_id_seq', $1::bigint * 10000000 + 5)", [count]);
}
const partitionsOf = async (table: string): Promise<string[]> =>
  (
    await query<{ name: string }>(
      database,
      `select inhrelid::regclass::text as name from pg_inherits where inhparent = $1::regclass
        order by pg_get_expr((select relpartbound from pg_class where oid = inhrelid), inhrelid) <> 'DEFAULT', inhrelid`,
      [table],
    )
  ).map(({ name }) => name);

test("partitions are made ahead of the rows, and rows go into them", async () => {
  await keeper().step(stopped);

  expect(await partitionsOf("event")).toEqual([
    "event_default",
    "event_from_1",
    "event_from_10000001",
    "event_from_20000001",
  ]);
  expect(await partitionsOf("event_key")).toHaveLength(4);
  await addEvents(3, "0 days");
  expect(await query(database, "select distinct tableoid::regclass::text as name from event")).toEqual([
    { name: "event_from_1" },
  ]);
});

test("ids go on in the next partition after a day; a month later the old one is archived and dropped", async () => {
  await query(
    database,
    "insert into outbox (message_id, routing_key, event) values (gen_random_uuid(), 'event.created', 1)",
  );
  await addEvents(2_500, "31 days");
  const one = keeper();
  await one.step(stopped);
  const [next] = await addEvents(1, "0 days");
  expect(next).toEqual({ id: "10000001" });
  // The three rows of today are in the first partition, too.
  await one.step(stopped);
  expect(dropped).toEqual([]);
  await query(database, "delete from event where created > now() - interval '1 day' and id < 10000000");

  // A message that is not sent yet needs the first event.
  await query(
    database,
    "insert into event (id, trigger_ref, payload, created) values (1, 't', '{}', now() - interval '31 days')",
  );
  await one.step(stopped);
  expect(await partitionsOf("event")).toContain("event_from_1");
  expect(one.kept().get("event")).toMatchObject({ overdue: 1, partitions: 5 });

  await query(database, "delete from outbox");
  const { logger, lines } = recordingLogger();
  // Each look at the clock takes it a millisecond on, and a page needs two.
  let nowMs = 0;
  const restsMs: number[] = [];
  const resting: Clock = {
    ...systemClock,
    monotonicMs: () => (nowMs += 1),
    async sleep(ms) {
      restsMs.push(ms);
    },
  };
  const archive = async (table: string, partition: string, signal: AbortSignal): Promise<void> =>
    void (await archivePartition({ database, folder, clock: resting }, table, partition, signal));
  await one.run(AbortSignal.abort());
  await keeper({ archive, logger }).step(stopped);

  expect(dropped).toEqual(["event"]);
  expect(await partitionsOf("event")).not.toContain("event_from_1");
  expect(await query(database, "select to_regclass('event_from_1') as name")).toEqual([{ name: null }]);
  expect(readdirSync(join(folder, "event"))).toEqual(["event_from_1.ndjson.gz"]);
  const rows = gunzipSync(readFileSync(join(folder, "event", "event_from_1.ndjson.gz")))
    .toString()
    .trim()
    .split("\n");
  expect(rows).toHaveLength(2_501);
  // After each page it rests for as long as the page took.
  expect(restsMs).toEqual(Array.from({ length: 11 }, () => 1));
  expect(rows[1]).toContain('"digits": 1.10');
  expect(lines.map(({ message }) => message)).toEqual([
    "retired event_from_1: beyond what is kept of event (30 days)",
    "dropped event_from_1",
  ]);
});

test("what could not be archived is not dropped, and is archived later", async () => {
  await addEvents(10, "40 days");
  const before = keeper();
  await before.step(stopped);
  await before.run(AbortSignal.abort());
  await addEvents(1, "0 days");
  await query(database, "delete from event where created > now() - interval '1 day' and id < 20000000");

  const full = keeper({
    archive: async () => {
      throw new Error("no space left on device");
    },
  });
  await expect(full.step(stopped)).rejects.toThrow("no space left");
  expect(full.kept().get("event")).toMatchObject({ overdue: 1 });
  expect(await query(database, "select count(*)::int as n from event_from_10000001")).toEqual([{ n: 10 }]);
  await full.run(AbortSignal.abort());

  const archived: string[] = [];
  await keeper({ archive: async (_table, partition) => void archived.push(partition) }).step(stopped);
  expect(archived).toEqual(["event_from_10000001"]);
  expect(dropped).toEqual(["event"]);
});

// Goal: an agent that lost its connection and goes on writing spoils no other agent's archive in the same folder, and neither
// does another installation, whose partitions have the same names.
test("archives of the same name beside each other are whole, and none replaces another", async () => {
  await using own = await freshDatabase();
  await query(
    own.database,
    "insert into event (trigger_ref, payload) select 't', '{}' from generate_series(1, 3000)",
  );
  await query(own.database, "select retire_partition('event', 'event_from_1')");
  const shared = join(folder, "shared");
  const paused = Promise.withResolvers<void>();
  const reached = Promise.withResolvers<void>();
  const slow: Clock = {
    ...systemClock,
    async sleep() {
      reached.resolve();
      await paused.promise;
    },
  };
  const attempt = (clock: Clock): Promise<string> =>
    archivePartition({ database: own.database, folder: shared, clock }, "event", "event_from_1", stopped);

  const first = attempt(slow);
  await reached.promise;
  const paths = [await attempt(systemClock)];
  paused.resolve();
  paths.push(await first);

  expect(readdirSync(join(shared, "event")).toSorted()).toEqual([
    "event_from_1.2.ndjson.gz",
    "event_from_1.ndjson.gz",
  ]);
  for (const path of paths)
    expect(gunzipSync(readFileSync(path)).toString().trim().split("\n")).toHaveLength(3_000);
});

test("an attempt that fails leaves no file behind, and one that was killed leaves it for ten minutes", async () => {
  await using own = await freshDatabase();
  await query(own.database, "select retire_partition('event', 'event_from_1')");
  const directory = join(folder, "failing", "event");
  mkdirSync(directory, { recursive: true });
  for (const [name, minutes] of [
    ["old", 11],
    ["new", 9],
  ] as const) {
    const path = join(directory, `event_from_1.${name}.partial`);
    writeFileSync(path, "");
    utimesSync(path, new Date(), new Date(Date.now() - minutes * 60_000));
  }
  const target = { database: own.database, folder: join(folder, "failing"), clock: systemClock };

  await expect(archivePartition(target, "event", "event_from_1", AbortSignal.abort())).rejects.toThrow(
    "abort",
  );

  expect(readdirSync(directory)).toEqual(["event_from_1.new.partial"]);
});

test("an agent that loses the lock while it archives leaves the partition to the next one", async () => {
  await using own = await freshDatabase();
  await query(
    own.database,
    "insert into event (trigger_ref, payload) select 't', '{}' from generate_series(1, 10)",
  );
  await query(own.database, "select retire_partition('event', 'event_from_1')");
  const locks =
    "select pid from pg_locks where locktype = 'advisory' and pid <> pg_backend_pid() and database = (select oid from pg_database where datname = current_database())";
  const loser = keeper({
    database: own.database,
    archive: async () => {
      await query(own.database, `select pg_terminate_backend(pid) from (${locks}) as held`);
      await expect.poll(() => query(own.database, locks)).toEqual([]);
      // Its end has reached this process before the answer to a later question.
      await query(own.database, "select pg_sleep(0.1)");
    },
  });

  await expect(loser.step(stopped)).rejects.toThrow("lock for retention was lost");
  expect(dropped).toEqual([]);
  await loser.run(AbortSignal.abort());
  const archived: string[] = [];
  const next = keeper({
    database: own.database,
    archive: async (_table, partition) => void archived.push(partition),
  });
  await next.step(stopped);
  expect(archived).toEqual(["event_from_1"]);
  expect(dropped).toEqual(["event"]);
  await next.run(AbortSignal.abort());
});

// Goal: one partition in trouble keeps no other.
// Method: three old partitions. A message that is never sent needs the first, a view of the operator the second.
test("a partition that is needed or cannot be dropped keeps no other, and is archived once", async () => {
  await using own = await freshDatabase();
  await addOldPartitions(own.database, 4);
  await query(
    own.database,
    "insert into outbox (message_id, routing_key, event) values (gen_random_uuid(), 'event.created', 1)",
  );
  await query(own.database, "create view mine as select * from event_from_10000001");
  const archived: string[] = [];
  const one = keeper({
    database: own.database,
    archive: async (_table, partition) => void archived.push(partition),
  });

  await expect(one.step(stopped)).rejects.toThrow("depend");
  await expect(one.step(stopped)).rejects.toThrow("depend");

  expect(archived).toEqual(["event_from_10000001", "event_from_20000001", "event_from_30000001"]);
  expect(dropped).toEqual(["event", "event"]);
  expect(one.kept().get("event")).toMatchObject({ overdue: 2 });
  await query(own.database, "drop view mine");
  await query(own.database, "delete from outbox");
  await one.step(stopped);
  expect(dropped).toHaveLength(4);
  await one.run(AbortSignal.abort());
});

// Goal: what an operator does to a partition keeps no other from going.
// Method: three old partitions. A table of the operator's refers to the first; the second has another name.
test("a partition that cannot be retired keeps no other, and one that was renamed goes, too", async () => {
  await using own = await freshDatabase();
  await addOldPartitions(own.database, 3);
  await query(own.database, "create table mine (event bigint references event)");
  await query(own.database, "insert into mine values (1)");
  await query(own.database, "alter table event_from_10000001 rename to older_ones");
  const one = keeper({ database: own.database });

  await expect(one.step(stopped)).rejects.toThrow("could not retire event_from_1: ");

  expect(dropped).toEqual(["event", "event"]);
  expect(await query(own.database, "select to_regclass('older_ones') as left")).toEqual([{ left: null }]);
  await one.run(AbortSignal.abort());
});

// Goal: a partition that somebody restored and attached as another role does not end all retention.
test("partitions are listed although the schema's owner may not read one of them", async () => {
  await using own = await freshDatabase();
  await query(own.database, "insert into event (trigger_ref) values ('t')");
  const role = `owner_${process.pid}`;
  await query(own.database, `create role ${role}`);
  await query(own.database, `grant usage on schema attune to ${role}`);
  await query(own.database, `grant select on event, event_default to ${role}`);
  await query(own.database, `grant create on schema attune to ${role}`);
  for (const name of ["list_partitions(text)", "retired_from(oid)", "index_versions(oid)"])
    await query(own.database, `alter function ${name} owner to ${role}`);

  const listed = await query(
    own.database,
    "select name, oldest is not null as is_read from list_partitions('event')",
  );

  expect(listed).toContainEqual({ name: "event_from_1", is_read: true });
  await query(own.database, `drop owned by ${role} cascade`);
  await query(own.database, `drop role ${role}`);
});

test("what an earlier version retired is dropped after an upgrade", async () => {
  await using own = await freshDatabase();
  await query(own.database, "select add_partition('event', 10000001, 20000001)");
  await query(own.database, "select retire_partition('event', 'event_from_1')");
  await query(own.database, "comment on table event_from_1 is 'retired from event'");
  const upgrade = loadMigrations().find(({ name }) => name === "forget_marks_of_attached");
  await own.database.query({ text: upgrade?.text ?? "" });

  await keeper({ database: own.database }).step(stopped);

  expect(dropped).toEqual(["event"]);
  for (const each of keepers.splice(0)) await each.run(AbortSignal.abort());
});

// As at the first start of an installation, when the first keys come while the partitions are made.
test("a row that comes while its partition is to be made does not end the work", async () => {
  await using own = await freshDatabase();
  let isOvertaken = false;
  const overtaken: Database = {
    ...own.database,
    async query(asked) {
      const answer = await own.database.query(asked);
      if (asked.name !== "list_partitions" || isOvertaken) return answer;
      isOvertaken = true;
      await query(
        own.database,
        `insert into event_key (trigger_ref, source_ref, dedup_key, period, event)
         values ('t', 's', 'k', floor(extract(epoch from now()) / 86400), 1)`,
      );
      return answer;
    },
  };
  const one = keeper({ database: overtaken });

  await one.step(stopped);

  expect(isOvertaken).toBe(true);
  await one.step(stopped);
  expect(one.kept().get("event_key")).toMatchObject({ strayRows: 1, partitions: 4 });
  await one.run(AbortSignal.abort());
});

test("a dropped default partition is made anew", async () => {
  await using own = await freshDatabase();
  await query(own.database, "drop table event_default, event_key_default");
  const one = keeper({ database: own.database });

  await one.step(stopped);

  await query(own.database, "insert into event (id, trigger_ref) values (999999999999, 't')");
  expect(await query(own.database, "select name from list_partitions('event_key') where is_default")).toEqual(
    [{ name: "event_key_default" }],
  );
  await one.run(AbortSignal.abort());
});

test("an agent that cannot do all of it leaves the turn to one that can", async () => {
  await using own = await freshDatabase();
  await query(own.database, "select retire_partition('event', 'event_from_1')");
  const unable = keeper({
    database: own.database,
    archive: async () => {
      throw new Error("read-only file system");
    },
  });
  await expect(unable.step(stopped)).rejects.toThrow("read-only");

  const able = keeper({ database: own.database, archive: async () => {} });
  await able.step(stopped);

  expect(dropped).toEqual(["event"]);
  for (const each of [unable, able]) await each.run(AbortSignal.abort());
});

test("a partition that an operator has detached, and a table of such a name, are left alone", async () => {
  await using own = await freshDatabase();
  await query(own.database, "select add_partition('event', 10000001, 20000001)");
  await query(own.database, "alter table event detach partition event_from_10000001");
  await query(own.database, "create table event_from_5 (like event)");
  await query(own.database, "create table enforcement_before (like enforcement)");
  const one = keeper({ database: own.database });

  await one.step(stopped).catch(() => {});

  expect(dropped).toEqual([]);
  const [left] = await query(
    own.database,
    "select to_regclass('event_from_10000001')::text as detached, to_regclass('event_from_5')::text as like_one, to_regclass('enforcement_before')::text as before",
  );
  expect(left).toEqual({
    detached: "event_from_10000001",
    like_one: "event_from_5",
    before: "enforcement_before",
  });
  expect(one.kept().get("event")).toMatchObject({ overdue: 0 });
  await one.run(AbortSignal.abort());
});

test("a retired partition that an operator attaches and detaches again is the operator's", async () => {
  await using own = await freshDatabase();
  await query(own.database, "insert into event (trigger_ref) values ('t')");
  await query(own.database, "select add_partition('event', 10000001, 20000001)");
  const retired = (): Promise<readonly object[]> =>
    query(own.database, "select name from list_partitions('event') where is_retired");
  await query(own.database, "select retire_partition('event', 'event_from_1')");
  await query(own.database, "select retire_partition('event', 'event_from_10000001')");
  await query(own.database, "select open_retired('event_from_1')");
  await query(own.database, "vacuum analyze event_from_1");
  expect(await retired()).toHaveLength(2);

  const range = "for values from (1) to (10000001)";
  await query(own.database, `alter table event attach partition event_from_1 ${range}`);
  await query(own.database, "alter table event detach partition event_from_1");

  expect(await retired()).toEqual([{ name: "event_from_10000001" }]);
  await keeper({ database: own.database }).step(stopped);
  const [left] = await query(own.database, "select count(*)::int as rows from event_from_1");
  expect(left).toEqual({ rows: 1 });
  expect(dropped).toEqual(["event"]);
  await expect(query(own.database, "select drop_retired('event_from_1')")).rejects.toThrow(
    "no retired partition",
  );
  for (const each of keepers.splice(0)) await each.run(AbortSignal.abort());
});

// Goal: rows that only look old, because the database's clock leapt ahead, are not lost.
test("while the clock is doubted nothing is retired for its age, but for its size", async () => {
  await using own = await freshDatabase();
  const { logger, lines } = recordingLogger();
  let upMs = 0;
  const clockGuard = new ClockGuard({ logger, clock: systemClock, upMs: () => upMs });
  // What follows is 40 days later, by the database's clock alone.
  clockGuard.observe(Date.now() - 40 * 86_400_000);
  await query(
    own.database,
    "insert into event (trigger_ref, created) select 't', now() - interval '40 days' from generate_series(1, 10)",
  );
  await query(
    own.database,
    "select add_partition('event', 10000001, 20000001), setval('event_id_seq', 10000001)",
  );
  await query(own.database, "analyze event_from_1");
  const step = async (kept: PartitionKeeperOptions["limits"] = limits) => {
    const one = keeper({ database: own.database, limits: kept, clockGuard });
    await one.step(stopped);
    const { held } = one.kept().get("event") ?? {};
    await one.run(AbortSignal.abort());
    return { held, dropped };
  };

  expect(await step()).toEqual({ held: 1, dropped: [] });
  upMs += 86_400_000;
  expect(await step()).toEqual({ held: 0, dropped: ["event"] });
  expect(lines.map(({ message }) => message)).toEqual([
    expect.stringMatching(/^the clock of the database is 40 d ahead/),
    "the clock of the database is trusted again; old rows are dropped",
  ]);

  clockGuard.observe(Date.now() + 50 * 86_400_000);
  await query(own.database, "insert into event (id, trigger_ref) values (10000001, 't')");
  const oneRow = { ...limits, event: { ...thirtyDays, rows: 1 } };
  await query(own.database, "select setval('event_id_seq', 30000001)");
  await query(own.database, "insert into event (id, trigger_ref) values (30000001, 't')");
  await query(own.database, "analyze event");
  expect((await step(oneRow)).dropped).toEqual(["event"]);
});

test("stray rows can go although messages about other events wait", async () => {
  await using own = await freshDatabase();
  await query(
    own.database,
    "insert into event (id, trigger_ref, payload) values (-5, 't', '{}'), (7, 't', '{}')",
  );
  await query(
    own.database,
    "insert into outbox (message_id, routing_key, event) values (gen_random_uuid(), 'event.created', 7)",
  );

  const [retired] = await query<{ name: string }>(
    own.database,
    "select retire_partition('event', 'event_default') as name",
  );
  expect(retired?.name).toMatch(/^event_rest_\d+$/);
  await query(own.database, "insert into event (id, trigger_ref, payload) values (-6, 't', '{}')");
  await query(
    own.database,
    "insert into outbox (message_id, routing_key, event) values (gen_random_uuid(), 'event.created', -6)",
  );
  await expect(query(own.database, "select retire_partition('event', 'event_default')")).rejects.toThrow(
    "need",
  );
});

test("one agent at a time does it", async () => {
  const [one, other] = [keeper(), keeper()];
  await one.step(stopped);
  await other.step(stopped);
  expect([one.kept().size, other.kept().size]).toEqual([3, 0]);

  await one.run(AbortSignal.abort());
  await other.step(stopped);
  expect(other.kept().size).toBe(3);
});

test("an agent that has passed the turn on reports no partitions any more", async () => {
  const [one, two] = [keeper(), keeper()];
  await one.step(stopped);
  const before = one.kept().size;
  await one.run(AbortSignal.abort());
  await two.step(stopped);

  await one.step(stopped);

  expect([before, one.kept().size, two.kept().size]).toEqual([3, 0, 3]);
});

// Goal: a partition that somebody is reading delays nobody who stores.
// Method: a transaction holds a lock on the oldest partition until the keeper has tried several times.
test("a long reader delays the retirement, and it delays no insert for long", async () => {
  await addEvents(1, "40 days");
  const one = keeper();
  await one.step(stopped);
  const reader = await fresh.connect();
  await reader.query("begin");
  await reader.query("select count(*) from event");
  await query(database, "delete from event where created > now() - interval '1 day' and id < 30000000");

  const keeping = one.step(stopped);
  let longestMs = 0;
  let isDone = false;
  void keeping.then(() => (isDone = true));
  for (let n = 0; n < 100; n += 1) {
    const startedAtMs = performance.now();
    await addEvents(1, "0 days");
    longestMs = Math.max(longestMs, performance.now() - startedAtMs);
  }
  expect(isDone).toBe(false);
  await reader.query("commit");
  await keeping;

  expect(dropped).toEqual(["event"]);
  expect(longestMs).toBeLessThan(5_000);
}, 30_000);

// Goal: whoever stores waits for the keeper's attempts at one partition, not at each of many.
test("while somebody reads the table, no other partition is tried after the oldest", async () => {
  await using own = await freshDatabase();
  await addOldPartitions(own.database, 3);
  const reader = await own.connect();
  await reader.query("begin");
  await reader.query("select count(*) from event");
  const tried: unknown[] = [];
  const watched = {
    schema: own.database.schema,
    query: (asked: Query) => own.database.query(asked),
    tryLock: (name: string) => own.database.tryLock(name),
    transaction: <T>(work: (transaction: Queryable) => Promise<T>) =>
      own.database.transaction((transaction) =>
        work({
          query: (asked) => {
            if (asked.name === "retire_partition") tried.push(asked.values?.[1]);
            return transaction.query(asked);
          },
        }),
      ),
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the keeper asks for nothing else
  } as unknown as Database;
  const one = keeper({ database: watched, clock: { ...systemClock, sleep: async () => {} } });

  await one.step(stopped).catch(() => undefined);

  expect(new Set(tried)).toEqual(new Set(["event_from_1"]));
  await reader.query("commit");
  await one.step(stopped);
  expect(dropped).toEqual(["event", "event", "event"]);
  await one.run(AbortSignal.abort());
});

test("an agent that is suspended under the lock does not hold it for long", async () => {
  const locked = Promise.withResolvers<void>();
  const resumed = Promise.withResolvers<void>();
  const suspended = database.transaction(async (transaction) => {
    await rowOf(transaction, boundLocks, { waitMs: 1_000, idleMs: 200 });
    await query(transaction, "lock table event in access exclusive mode");
    locked.resolve();
    await resumed.promise;
  });
  const ended = expect(suspended).rejects.toThrow("the connection was lost");

  await locked.promise;
  const [stored] = await addEvents(1, "0 s");
  expect(stored).toBeDefined();
  resumed.resolve();
  await ended;
});

test("after a leap over all partitions, stray rows are kept and the next ones have a partition", async () => {
  await query(database, "select setval('event_id_seq', 5000000000)");
  await addEvents(2, "0 days");
  const one = keeper();
  await one.step(stopped);
  await one.step(stopped);

  expect(one.kept().get("event")).not.toMatchObject({ strayRows: 0 });
  const [next] = await addEvents(1, "0 days");
  expect(
    await query(database, "select tableoid::regclass::text as name from event where id = $1", [next?.id]),
  ).toEqual([{ name: expect.stringMatching(/^event_from_50/) }]);

  await query(database, "delete from event where id > 5000000000");
  await query(
    database,
    "insert into event (id, trigger_ref, created) values (5000000001, 't', now() - interval '31 days')",
  );
  await one.step(stopped);
  expect(await query(database, "select count(*)::int as n from event_default")).toEqual([{ n: 0 }]);
});

// Goal: one row with a number that programs cannot hold does not take all later ones there.
test("a row that was inserted by hand far beyond all ids makes no partition there, and goes when it is old", async () => {
  await using own = await freshDatabase();
  const far = "1000000000000000000";
  await query(own.database, "insert into event (id, trigger_ref) values ($1, 't')", [far]);
  const one = keeper({ database: own.database });
  await one.step(stopped);
  await query(own.database, "select setval('event_id_seq', 15000000)");
  await one.step(stopped);

  const listed = await query<{ beyond: string }>(
    own.database,
    "select max(beyond)::text as beyond from list_partitions('event')",
  );
  expect(listed).toEqual([{ beyond: "40000001" }]);
  expect(one.kept().get("event")).toMatchObject({ strayRows: 1 });
  await query(own.database, "delete from event where id = $1", [far]);
  await query(
    own.database,
    "insert into event (id, trigger_ref, created) values ($1, 't', now() - interval '31 days')",
    [far],
  );
  await one.step(stopped);
  expect(dropped).toEqual(["event"]);
  expect(await query(own.database, "select from event_default")).toEqual([]);
  await one.run(AbortSignal.abort());
});

test("a negative id among stray rows stops the retention of no table", async () => {
  await query(database, "insert into event (id, trigger_ref) values (-3, 't')");
  const one = keeper();

  await one.step(stopped);

  expect(one.kept().get("event")).not.toMatchObject({ strayRows: 0 });
  expect(one.kept().size).toBe(3);
  await query(database, "delete from event where id = -3");
});

test("the embedded database keeps its partitions, too, within a number of rows", async () => {
  const directory = mkdtempSync(join(tmpdir(), "attune-embedded-"));
  {
    await using embedded = await openEmbedded({ dataDirectory: directory, logger: silentLogger });
    await migrate(embedded, loadMigrations(), silentLogger);
    const few = { ...keepEverything, rows: 300 };
    const one = new PartitionKeeper({
      ruleVersionSeconds: 3_600,
      clockGuard: { observe: () => {}, isDoubted: () => false },
      database: embedded,
      limits: { ...limits, event: few },
      archive: undefined,
      metrics: { partitionDropped: () => {} },
      logger: silentLogger,
      clock: systemClock,
      random: Math.random,
    });
    for (let round = 0; round < 4; round += 1) {
      await query(
        embedded,
        "insert into event (trigger_ref, payload) select 't', '{}' from generate_series(1, 200)",
      );
      await query(embedded, "analyze event");
      await one.step(stopped);
    }
    const [left] = await query<{ n: number }>(embedded, "select count(*)::int as n from event");
    expect(left?.n).toBeLessThanOrEqual(300);
    expect(left?.n).toBeGreaterThanOrEqual(200);
    await one.run(AbortSignal.abort());
  }
  rmSync(directory, { recursive: true });
}, 120_000);

test("a look at partitions that are as they should be takes two statements", async () => {
  const sent: (string | undefined)[] = [];
  const counting: Database = {
    ...database,
    query(statement) {
      sent.push(statement.name);
      return database.query(statement);
    },
  };
  const looking = keeper({ database: counting });
  await looking.step(stopped);
  sent.length = 0;

  await looking.step(stopped);

  expect(sent).toEqual(["read_partition_position", "list_partitions"]);
});

test("old versions of rules are deleted while a partition cannot be archived", async () => {
  await using own = await freshDatabase();
  await query(own.database, "insert into event (trigger_ref, payload) values ('t', '{}')");
  await query(own.database, "select retire_partition('event', 'event_from_1')");
  await query(
    own.database,
    `insert into rule_version (rule, rule_ref, trigger_ref, revision, is_effective, operation, definition, changed_at, changed_by)
     select 1, 'r', 't', 1, true, 'changed', '{}', now() - n * interval '1 day', 'test' from generate_series(1, 3) as n`,
  );
  const failing = keeper({
    database: own.database,
    archive: async () => {
      throw new Error("read-only file system");
    },
  });

  await expect(failing.step(stopped)).rejects.toThrow("read-only");

  expect(await query(own.database, "select count(*)::int as n from rule_version")).toEqual([{ n: 1 }]);
  await failing.run(AbortSignal.abort());
});

// Goal: a version goes once the next one is old enough, unless a stored event may have been matched under it.
test("old versions of rules are deleted, but for the newest and those that stored events need", async () => {
  await query(database, "delete from event");
  await query(database, "truncate rule_version");
  const version = (rule: number, hoursAgo: number, definition: string): Promise<unknown> =>
    query(
      database,
      `insert into rule_version (rule, rule_ref, trigger_ref, revision, is_effective, operation, definition, changed_at, changed_by)
       values ($1, 'r', 't', 1, true, 'changed', $2, now() - $3 * interval '1 hour', 'test')`,
      [rule, definition, hoursAgo],
    );
  await version(1, 50, "{}");
  await version(1, 40, "{}");
  await version(1, 30, "{}");
  await version(2, 50, "{}");
  await version(2, 0.5, "{}");
  await version(3, 60, "{}");
  await version(3, 55, "null");
  await query(database, "update rule_version set definition = null where rule = 3 and definition = 'null'");
  const kept = async (): Promise<unknown[]> =>
    (
      await query<{ kept: string }>(
        database,
        `select rule || ' ' || round(extract(epoch from now() - changed_at) / 3600) as kept from rule_version order by rule, id`,
      )
    ).map((row) => row.kept);
  await addEvents(1, "35 hours");

  const first = keeper();
  await first.step(stopped);
  await first.run(AbortSignal.abort());
  expect(await kept()).toEqual(["1 40", "1 30", "2 50", "2 1"]);

  await query(database, "delete from event");
  await keeper().step(stopped);
  expect(await kept()).toEqual(["1 30", "2 50", "2 1"]);
});

// Goal: a rule that is changed all the time does not fill the table.
// Method: 1,500 changes in the last 1,500 minutes, of a rule that stays and of one that is deleted and made again each time.
// An event of 1,300 minutes ago needs the versions from then on.
test("of each ref, the newest thousand versions are kept, and those that stored events need", async () => {
  await query(database, "delete from event");
  await query(database, "truncate rule_version");
  await query(
    database,
    `insert into rule_version (rule, rule_ref, trigger_ref, revision, is_effective, operation, definition, changed_at, changed_by)
     select case ref when 'again' then 1000 + n / 2 else 1 end, ref, 't', n, true, 'changed',
            case when ref = 'stays' or n % 2 = 0 then '{}'::jsonb end, now() - (1500 - n) * interval '1 minute', 'test'
       from generate_series(0, 1499) as n, unnest(array['stays', 'again']) as ref
      order by n`,
  );
  await query(
    database,
    `insert into rule_version (rule, rule_ref, trigger_ref, revision, is_effective, operation, definition, changed_at, changed_by)
     select 3, 'few', 't', n, true, 'changed', '{}', now() - interval '2 days', 'test' from generate_series(1, 900) as n`,
  );
  await addEvents(1, "1300 minutes");
  const kept = async (): Promise<unknown[]> =>
    query(
      database,
      `select rule_ref as ref, count(*)::int as count, min(revision)::int as oldest from rule_version group by rule_ref order by 1`,
    );
  const yearLong = { ruleVersionSeconds: 31_536_000 };

  const first = keeper(yearLong);
  await first.step(stopped);
  await first.run(AbortSignal.abort());
  // The version before the event's was replaced within the minute that is allowed for its transaction.
  expect(await kept()).toEqual([
    { ref: "again", count: 1_300, oldest: 200 },
    { ref: "few", count: 900, oldest: 1 },
    { ref: "stays", count: 1_301, oldest: 199 },
  ]);

  await query(database, "delete from event");
  await keeper(yearLong).step(stopped);
  expect(await kept()).toEqual([
    { ref: "again", count: 1_000, oldest: 500 },
    { ref: "few", count: 900, oldest: 1 },
    { ref: "stays", count: 1_000, oldest: 500 },
  ]);
});
