/** Migrations of a database that agents use: while one waits for a lock, it holds none that storing needs. */
import { expect, test } from "vitest";
import { loadMigrations } from "../../../src/database/migrations/bundled-migrations.ts";
import { migrate } from "../../../src/database/migrations/migrate.ts";
import { openPostgresql } from "../../../src/database/postgresql/postgresql.ts";
import { silentLogger } from "../../../src/telemetry/logger.ts";
import { query } from "../../support/platform-rows.ts";
import { recordingLogger } from "../../support/recording-logger.ts";
import { asSuperuser, emptyDatabase, privatePostgres } from "../../support/postgres.ts";

const migrations = loadMigrations();
/** Those that ask again and again for a lock, with the tables that they lock. */
const waiting = migrations
  .filter(({ text }) => text.includes("lock_not_available"))
  .flatMap(({ name, text }) =>
    ["event", "enforcement"].filter((table) => text.includes(`'${table}'`)).map((table) => ({ name, table })),
  );

// Method: another session holds a lock on one of the tables, as a vacuum does.
test.each(waiting)("$name waits for $table while agents store", async ({ name, table }) => {
  await using empty = await emptyDatabase();
  await using database = await openPostgresql({ url: empty.url, logger: silentLogger });
  const index = migrations.findIndex((migration) => migration.name === name);
  await migrate(database, migrations.slice(0, index), silentLogger);
  const store = async (): Promise<void> => {
    await database.query({ text: "insert into event (trigger_ref) values ('t')", timeoutMs: 5_000 });
    await database.query({
      text: `insert into enforcement (rule, rule_ref, trigger_ref, event)
             select 1, 'r', 't', max(id) from event`,
      timeoutMs: 5_000,
    });
  };
  await store();

  await asSuperuser(async (holder) => {
    await holder.query("begin");
    await holder.query(`lock table attune.${table} in share update exclusive mode`);
    const migrating = migrate(database, migrations.slice(0, index + 1), silentLogger);
    const sleepers =
      "select count(*)::int as count from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'";
    await expect.poll(() => query(database, sleepers)).toEqual([{ count: 1 }]);
    for (let n = 0; n < 10; n += 1) await store();
    await holder.query("rollback");
    expect(await migrating).toHaveLength(1);
  }, empty.url);
});

// Goal: an upgrade during a backup waits for it, and the agents that still run do not.
// Method: before each migration another session locks every table as pg_dump does. Once the migration waits or is done,
// statements like those of an agent must be answered.
test("no migration keeps agents waiting while a backup is made", async () => {
  await using empty = await emptyDatabase();
  await using database = await openPostgresql({ url: empty.url, logger: silentLogger });
  const first = migrations.findIndex(({ name }) => name === "log_rule_changes");
  await migrate(database, migrations.slice(0, first), silentLogger);
  await query(
    database,
    "insert into worker (name, worker_type, worker_role) values ('w', 'local', 'sensor')",
  );
  const patiently: string[] = [];

  for (const index of migrations.keys().drop(first)) {
    const { logger, lines } = recordingLogger();
    await asSuperuser(async (backup) => {
      await backup.query("begin");
      await backup.query(`
        do $$
        declare
          name text;
        begin
          for name in select oid::regclass from pg_class
                       where relnamespace = 'attune'::regnamespace and relkind in ('r', 'p') loop
            execute 'lock table ' || name || ' in access share mode';
          end loop;
        end
        $$`);
      const migrating = migrate(database, migrations.slice(0, index + 1), logger);
      const waiters = `select from pg_stat_activity
                        where datname = current_database() and (wait_event = 'PgSleep' or wait_event_type = 'Lock')`;
      await expect
        .poll(async () => lines.length > 0 || (await query(database, waiters)).length > 0)
        .toBe(true);
      for (let n = 0; n < 5; n += 1) {
        for (const text of [
          "insert into event (trigger_ref) values ('t')",
          "update worker set last_heartbeat = now()",
          "update sensor_assignment set claimed_at = now()",
          "select from rule where enabled",
        ])
          await database.query({ text, timeoutMs: 5_000 });
      }
      if (lines.some(({ message }) => message.startsWith("another session")))
        patiently.push(`${migrations[index]?.name}`);
      await backup.query("rollback");
      expect(await migrating).toHaveLength(1);
    }, empty.url);
  }

  expect(patiently).toEqual(expect.arrayContaining(["place_by_hint", "keep_traces", "note_sensor_gaps"]));
}, 120_000);

// Goal: an upgrade does not wait for hours until an autovacuum has ended.
// Method: a real one, slowed down so that it would take a quarter of an hour, on a table that a migration alters.
test("a migration ends an autovacuum that is in its way", async () => {
  await using server = await privatePostgres(["autovacuum_naptime=1s"]);
  await using database = await openPostgresql({ url: server.url, logger: silentLogger });
  await migrate(database, migrations, silentLogger);
  await query(database, "create table public.big (filler text) with (autovacuum_enabled = off)");
  await query(database, "alter table public.big alter filler set storage plain");
  await query(database, "insert into public.big select repeat('x', 4000) from generate_series(1, 20000)");
  await query(database, "delete from public.big");
  await query(
    database,
    `alter table public.big set (autovacuum_enabled = on, autovacuum_vacuum_threshold = 1,
                                 autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1)`,
  );
  const vacuums =
    "select from pg_stat_activity where backend_type = 'autovacuum worker' and query like '%public.big%'";
  await expect.poll(async () => (await query(database, vacuums)).length, { timeout: 60_000 }).toBe(1);
  const text = "alter table public.big add column more text";

  const applied = await migrate(
    database,
    [...migrations, { version: "29990101000001", name: "alter_big", text, checksum: "1" }],
    silentLogger,
  );

  expect(applied).toHaveLength(1);
  const ended = "select autovacuum_count::int as count from pg_stat_user_tables where relname = 'big'";
  expect(await query(database, ended)).toEqual([{ count: 0 }]);
}, 120_000);
