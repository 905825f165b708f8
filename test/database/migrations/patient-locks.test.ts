/** Migrations of a database that agents use: while one waits for a lock, it holds none that storing needs. */
import { expect, test } from "vitest";
import { loadMigrations } from "../../../src/database/migrations/bundled-migrations.ts";
import { migrate } from "../../../src/database/migrations/migrate.ts";
import { openPostgresql } from "../../../src/database/postgresql/postgresql.ts";
import { silentLogger } from "../../../src/telemetry/logger.ts";
import { query } from "../../support/platform-rows.ts";
import { asSuperuser, emptyDatabase } from "../../support/postgres.ts";

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
