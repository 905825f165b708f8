/**
 * Goal: the ways beyond one database that docs/scaling.md names do what it says.
 * Method: several installations on one real broker; old partitions moved to a tablespace, and a logical replica, on a real
 * server, while a real agent stores what a sensor counts.
 */
import { mkdtempDisposable, readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "pg";
import { expect, test } from "vitest";
import type { Database } from "../../src/database/database.ts";
import { loadMigrations } from "../../src/database/migrations/bundled-migrations.ts";
import { migrate } from "../../src/database/migrations/migrate.ts";
import { openPostgresql } from "../../src/database/postgresql/postgresql.ts";
import { keepEverything } from "../../src/model/retention/keep-limits.ts";
import { archivePartition } from "../../src/retention/archive.ts";
import { PartitionKeeper, type PartitionKeeperOptions } from "../../src/retention/partition-keeper.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { systemClock } from "../../src/time/clock.ts";
import { ready, startAgent } from "../support/agent-process.ts";
import { startCounting, type Counting } from "../support/counting.ts";
import { query } from "../support/platform-rows.ts";
import { asSuperuser, freshDatabase, privatePostgres } from "../support/postgres.ts";
import { freshVhost } from "../support/rabbitmq.ts";

const patience = { timeout: 60_000, interval: 100 };

test("two installations with exchanges of their own share a virtual host, and the end of one does not touch the other", async () => {
  await using vhost = await freshVhost();
  await using first = await freshDatabase();
  await using second = await freshDatabase();
  const names = {
    events: "second.events",
    executions: "second.executions",
    deadLetters: "second.dlx",
    deadLetterQueue: "second.dead-letters",
  };
  await using one = await startCounting({
    database: first.database,
    databaseUrl: first.url,
    brokerUrl: vhost.url,
  });
  await using other = await startCounting({
    database: second.database,
    databaseUrl: second.url,
    brokerUrl: vhost.url,
    names,
    queue: "collected by the second",
    settings: {
      messageQueue: {
        exchange: names.events,
        executions_exchange: names.executions,
        dead_letter_exchange: names.deadLetters,
        dead_letter_queue: names.deadLetterQueue,
      },
    },
  });
  // Of the same name: workers are known in their installation only.
  const [oneFolder, otherFolder] = [await one.folder("worker"), await other.folder("worker")];
  await using killed = await startAgent(oneFolder);
  await using living = await startAgent(otherFolder);
  await ready(killed, oneFolder);
  await ready(living, otherFolder);
  await one.progress();
  await other.progress();

  killed.kill("SIGKILL");
  await killed.ended;
  await other.progress();
  await using again = await startAgent(oneFolder);
  await ready(again, oneFolder);
  await one.progress();

  await one.finish();
  await other.finish();
  await one.expectNothingLostOrDoubled();
  await other.expectNothingLostOrDoubled();
});

test("two installations publish to the same exchange, and no message of one is taken for one of the other", async () => {
  await using vhost = await freshVhost();
  await using first = await freshDatabase();
  await using second = await freshDatabase();
  const countings: Counting[] = [];
  await using running = new AsyncDisposableStack();
  for (const { database, url } of [first, second]) {
    const counting = running.use(await startCounting({ database, databaseUrl: url, brokerUrl: vhost.url }));
    const folder = await counting.folder("worker");
    await ready(running.use(await startAgent(folder)), folder);
    countings.push(counting);
  }
  for (const counting of countings) await counting.progress();
  for (const counting of countings) await counting.finish();

  const countRows = "select (select count(*) from event) + (select count(*) from enforcement) as count";
  const stored = await Promise.all(
    countings.map(async ({ database }) =>
      Number((await query<{ count: string }>(database, countRows))[0]?.count),
    ),
  );
  const total = stored.reduce((sum, count) => sum + count, 0);
  expect(Math.min(...stored)).toBeGreaterThan(0);
  // Both consume from one queue, so each message arrives at one of them. Ids of events are the same in both installations.
  const received = (): Set<string> =>
    new Set(countings.flatMap(({ collector }) => [...collector.messages.keys()]));
  await expect.poll(() => received().size, patience).toBe(total);
  expect(countings.reduce((sum, { collector }) => sum + collector.messages.size, 0)).toBe(total);
});

test("an old partition moves to other disks while events are stored, and is archived and dropped there", async () => {
  await using server = await privatePostgres(["allow_in_place_tablespaces=on"]);
  await using database = await migratedDatabase(server.url);
  await addOldEvents(database);
  await using vhost = await freshVhost();
  await using counting = await startCounting({ database, databaseUrl: server.url, brokerUrl: vhost.url });
  const folder = await counting.folder("worker");
  await using agent = await startAgent(folder);
  await ready(agent, folder);
  await counting.progress();

  await asSuperuser(async (client) => {
    await client.query("create tablespace slow_disks location ''");
    const { rows: relations } = await client.query<{ move: string }>(
      `select format('alter %s %s set tablespace slow_disks', kind, relation) as move
         from (select 'table' as kind, 'attune.event_from_1'::regclass as relation
               union all
               select 'index', indexrelid::regclass from pg_index where indrelid = 'attune.event_from_1'::regclass) as old`,
    );
    expect(relations.length).toBeGreaterThan(1);
    await client.query("begin");
    for (const { move } of relations) await client.query(move);
    // The partition is locked until the commit.
    await counting.progress();
    await client.query("commit");
  }, server.url);
  await counting.progress();
  await counting.finish();
  expect(
    await query(
      database,
      `select distinct spcname as name from pg_class join pg_tablespace on pg_tablespace.oid = reltablespace
        where pg_class.oid = 'event_from_1'::regclass
           or pg_class.oid in (select indexrelid from pg_index where indrelid = 'event_from_1'::regclass)`,
    ),
  ).toEqual([{ name: "slow_disks" }]);
  agent.kill("SIGTERM");
  await agent.ended;

  await using archive = await mkdtempDisposable(join(tmpdir(), "attune-archive-"));
  await keepPartitions(database, {
    days: 10,
    archive: async (table, partition, signal) =>
      void (await archivePartition(
        { database, folder: archive.path, clock: systemClock },
        table,
        partition,
        signal,
      )),
  });
  expect(await readdir(join(archive.path, "event"))).toEqual(["event_from_1.ndjson.gz"]);
  expect(await query(database, "select to_regclass('event_from_1') as name")).toEqual([{ name: null }]);
  await counting.expectNothingLostOrDoubled();
  // Nothing is left on them.
  await asSuperuser((client) => client.query("drop tablespace slow_disks"), server.url);
});

test("a logical replica gets what is stored and changed, from new partitions too, and keeps what is dropped here", async () => {
  await using server = await privatePostgres(["wal_level=logical"]);
  await using database = await migratedDatabase(server.url);
  await addOldEvents(database);
  const replicaUrl = new URL(server.url);
  replicaUrl.pathname = "/reports";
  await asSuperuser(async (client) => {
    await client.query("create database reports");
    await client.query(
      `create publication reports for table attune.event, attune.enforcement
         with (publish_via_partition_root = true, publish = 'insert, update')`,
    );
    // On the same server the subscription cannot make the slot: it would wait for its own transaction.
    await client.query("select pg_create_logical_replication_slot('reports', 'pgoutput')");
  }, server.url);
  await using replica = await migratedDatabase(replicaUrl.href);
  const subscriber = new Client({ connectionString: replicaUrl.href });
  await using _subscriber = { [Symbol.asyncDispose]: () => subscriber.end() };
  await subscriber.connect();
  await subscriber.query(
    `create subscription reports connection '${server.url}' publication reports
       with (create_slot = false, slot_name = 'reports')`,
  );
  await expect.poll(() => contentOf(replica), patience).toEqual(await contentOf(database));

  await using vhost = await freshVhost();
  await using counting = await startCounting({ database, databaseUrl: server.url, brokerUrl: vhost.url });
  const folder = await counting.folder("worker");
  await using agent = await startAgent(folder);
  await ready(agent, folder);
  await counting.progress();
  await counting.finish();
  agent.kill("SIGTERM");
  await agent.ended;
  // As the platform does it once it has executed them.
  await query(database, "update enforcement set status = 'processed' where id % 2 = 0");
  const before = await contentOf(database);
  await expect.poll(() => contentOf(replica), patience).toEqual(before);

  await keepPartitions(database, { days: 10 });
  const after = await contentOf(database);
  expect(after[0]?.count).toBe((before[0]?.count ?? 0) - oldEvents);
  // What comes later has arrived, so that a deletion before it would have, too.
  await query(database, "insert into event (trigger_ref, payload) values ('last', '{}')");
  const isLast = "select count(*)::int as count from event where trigger_ref = 'last'";
  await expect.poll(() => query(replica, isLast), patience).toEqual([{ count: 1 }]);
  for (const each of [database, replica]) await query(each, "delete from event where trigger_ref = 'last'");
  expect(await contentOf(replica)).toEqual(before);
  await counting.expectNothingLostOrDoubled();
});

const oldEvents = 5_000;

async function migratedDatabase(url: string): Promise<Database & AsyncDisposable> {
  const database = await openPostgresql({ url, logger: silentLogger, connectionsMax: 5 });
  await migrate(database, loadMigrations(), silentLogger);
  return database;
}

/** In a partition of their own; what is stored from now on goes into the next one. */
async function addOldEvents(database: Database): Promise<void> {
  await keepPartitions(database, { days: 30 });
  await query(
    database,
    `insert into event (trigger_ref, payload, created)
     select 'old', jsonb_build_object('n', n), now() - interval '20 days' from generate_series(1, $1) as n`,
    [oldEvents],
  );
  await keepPartitions(database, { days: 30 });
}

interface Keeping {
  readonly days: number;
  readonly archive?: PartitionKeeperOptions["archive"];
}

/** As an agent does it now and then. */
async function keepPartitions(database: Database, { days, archive }: Keeping): Promise<void> {
  const limits = { ...keepEverything, days };
  const keeper = new PartitionKeeper({
    database,
    limits: { event: limits, enforcement: limits, event_key: limits },
    archive,
    ruleVersionSeconds: 3_600,
    clockGuard: { observe: () => {}, isDoubted: () => false },
    metrics: { partitionDropped: () => {} },
    logger: silentLogger,
    clock: systemClock,
    random: Math.random,
  });
  await keeper.step(new AbortController().signal);
  // Gives the lock back.
  await keeper.run(AbortSignal.abort());
}

/** All columns of all events and enforcements, as a number of rows and a hash. */
async function contentOf(
  database: Database,
): Promise<readonly { readonly count: number; readonly hash: string }[]> {
  return await query(
    database,
    `select count(*)::int as count, md5(string_agg(row, e'\\n' order by row)) as hash
       from (select 1 as part, to_json(event)::text as row from event
             union all
             select 2, to_json(enforcement)::text from enforcement) as rows
      group by part
      order by part`,
  );
}
