import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { Client } from "pg";
import { expect, onTestFinished, test } from "vitest";
import type { Database } from "../../../src/database/database.ts";
import { loadMigrations } from "../../../src/database/migrations/bundled-migrations.ts";
import { migrate, pendingMigrations } from "../../../src/database/migrations/migrate.ts";
import { demandRights } from "../../../src/database/rights/demand-rights.ts";
import { openPostgresql } from "../../../src/database/postgresql/postgresql.ts";
import { silentLogger, type Logger } from "../../../src/telemetry/logger.ts";
import { asSuperuser, emptyDatabase, freshDatabase } from "../../support/postgres.ts";
import { schemaText } from "../schema-text.ts";

const execute = promisify(execFile);
const directory = join(import.meta.dirname, "../../../migrations");
const migrations = loadMigrations();

test("every file of the folder is a migration, in the order of its timestamp", () => {
  const files = readdirSync(directory).filter((file) => file.endsWith(".sql"));

  expect(migrations.map(({ version, name }) => `${version}_${name}.sql`)).toEqual(files.toSorted());
  expect(files).toEqual(
    expect.arrayContaining(["20260131000001_add_worker_role.sql", "20260202000001_add_sensor_runtimes.sql"]),
  );
});

test("no two migrations have the same version, since only one of them would ever be applied", () => {
  const versions = migrations.map(({ version }) => version);

  expect(versions).toEqual([...new Set(versions)]);
});

test("an empty database is migrated once", async () => {
  await using empty = await emptyDatabase();
  await using database = await openPostgresql({ url: empty.url, logger: silentLogger });
  expect(await pendingMigrations(database, migrations)).toEqual(migrations);

  expect(await migrate(database, migrations, silentLogger)).toEqual(
    migrations.map(({ version, name }) => ({ version, name })),
  );
  expect(await migrate(database, migrations, silentLogger)).toEqual([]);
  expect(await pendingMigrations(database, migrations)).toEqual([]);
});

// Goal: any number of agents may start at once on an empty database.
// Method: ten real processes; every migration must be reported as applied by exactly one of them.
test("ten processes that migrate at once apply each migration once", async () => {
  await using empty = await emptyDatabase();
  const program = join(import.meta.dirname, "../fixtures/migrate-once.ts");
  const outputs = await Promise.all(
    Array.from({ length: 10 }, () => execute(process.execPath, [program, empty.url])),
  );

  const applied = outputs.flatMap(({ stdout }) => stdout.split("\n").filter((line) => line !== ""));
  expect(applied.toSorted()).toEqual(migrations.map(({ version }) => version));
}, 60_000);

test("the files applied by psql, each alone, are the same as the agent's, which then records them", async () => {
  await using empty = await emptyDatabase();
  for (const { version, name } of migrations) await psql(empty.url, `${version}_${name}.sql`);
  await using database = await openPostgresql({ url: empty.url, logger: silentLogger });
  const byPsql = await schemaText(database);
  await database.query({ text: "update runtime set description = 'mine' where name = 'Shell'" });

  expect(await migrate(database, migrations, silentLogger)).toHaveLength(migrations.length);

  await using fresh = await freshDatabase();
  const withoutRecord = (text: string): string =>
    text.replace(/^table schema_migration\n(?: {2}.*\n)*\n/m, "");
  expect(withoutRecord(await schemaText(database))).toBe(byPsql);
  expect(withoutRecord(await schemaText(fresh.database))).toBe(byPsql);
  const { rows } = await database.query({ text: "select description from runtime where name = 'Shell'" });
  expect(rows).toEqual([{ description: "mine" }]);
});

test("workers from before roles become action workers, and their rows stay", async () => {
  await using empty = await emptyDatabase();
  await asSuperuser(
    (client) =>
      client.query(`
        create schema attune;
        set search_path to attune;
        create type worker_type_enum as enum ('local', 'remote', 'container');
        create type worker_status_enum as enum ('active', 'inactive', 'busy', 'error');
        create table worker (
          id bigserial primary key,
          name text not null unique,
          worker_type worker_type_enum not null,
          runtime bigint,
          host text,
          port integer,
          status worker_status_enum default 'inactive',
          capabilities jsonb,
          meta jsonb,
          last_heartbeat timestamptz,
          created timestamptz not null default now(),
          updated timestamptz not null default now());
        insert into worker (name, worker_type) values ('old-1', 'local'), ('old-2', 'container')`),
    empty.url,
  );
  await using database = await openPostgresql({ url: empty.url, logger: silentLogger });

  await migrate(database, migrations, silentLogger);

  const { rows } = await database.query({ text: "select name, worker_role::text from worker order by id" });
  expect(rows).toEqual([
    { name: "old-1", worker_role: "action" },
    { name: "old-2", worker_role: "action" },
  ]);
});

test.each(["other", "Odd name"])(
  "all of it lives in the schema %s when that is configured",
  async (schema) => {
    await using empty = await emptyDatabase();
    await using database = await openPostgresql({ url: empty.url, schema, logger: silentLogger });
    await migrate(database, migrations, silentLogger);
    const heard: (string | undefined)[] = [];
    await database.listen(`${schema}_change`, (payload) => heard.push(payload));
    await database.query({ text: "insert into rule (ref, action_ref, trigger_ref) values ('a', 'b', 'c')" });

    await expect.poll(() => heard, { timeout: 10_000 }).toContain("rule");
    const { rows } = await database.query({
      text: `select distinct table_schema as schema from information_schema.tables
            where table_schema not in ('pg_catalog', 'information_schema')`,
    });
    expect(rows).toEqual([{ schema }]);
    expect(await pendingMigrations(database, migrations)).toEqual([]);
  },
);

// Goal: an agent that starts too soon changes nothing that the rest of a dump brings.
test("a database whose dump is being restored is refused, and left as it is", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  await database.query({ text: "delete from schema_migration; drop function timer_pause_end" });

  for (const work of [migrate(database, migrations, silentLogger), pendingMigrations(database, migrations)])
    await expect(work).rejects.toMatchObject({
      code: "DATABASE_INCOMPLETE",
      message: expect.stringContaining("a dump is being restored"),
    });

  const { rows } = await database.query({ text: "select to_regproc('timer_pause_end') as found" });
  expect(rows).toEqual([{ found: null }]);
});

test("a schema that was renamed is refused with its former name, and works under it", async () => {
  await using fresh = await freshDatabase();
  await fresh.database.query({ text: 'alter schema attune rename to "Odd name"' });
  await using renamed = await openPostgresql({ url: fresh.url, schema: "Odd name", logger: silentLogger });

  for (const work of [migrate(renamed, migrations, silentLogger), pendingMigrations(renamed, migrations)])
    await expect(work).rejects.toMatchObject({
      code: "DATABASE_INCOMPLETE",
      message: expect.stringMatching(/renamed.* schema attune; .*alter schema "Odd name" rename to attune/),
    });

  await renamed.query({ text: 'alter schema "Odd name" rename to attune' });
  expect(await pendingMigrations(fresh.database, migrations)).toEqual([]);
});

test("two schemas in one database do not see each other's types and tables", async () => {
  await using fresh = await freshDatabase();
  await using second = await openPostgresql({ url: fresh.url, schema: "second", logger: silentLogger });
  await migrate(second, migrations, silentLogger);

  expect(await schemaText(second)).toBe(
    (await schemaText(fresh.database)).replaceAll("attune.", "second.").replaceAll("attune_", "second_"),
  );
});

test("a role without the right to create is reported with it, and nothing is left half done", async () => {
  await using empty = await emptyDatabase();
  const role = `attune_test_${process.pid}`;
  await asSuperuser((client) => client.query(`create role ${role} login password 'secret'`));
  onTestFinished(() => asSuperuser((client) => client.query(`drop role ${role}`)).then(() => undefined));
  const url = new URL(empty.url);
  url.username = role;
  url.password = "secret";
  await using database = await openPostgresql({ url: url.href, logger: silentLogger });

  const failure: unknown = await migrate(database, migrations, silentLogger).catch((error: unknown) => error);

  expect(failure).toMatchObject({ code: "DATABASE_RIGHTS_MISSING" });
  expect(String(failure)).toMatch(
    /apply migration 20260101000001_create_platform to .*permission denied for database/,
  );
  expect(String(failure)).toMatch(/let the role create/);
  expect(String(failure)).not.toContain("secret");
});

// Goal: after a superuser upgraded a schema that another role owns, agents of that role work as before.
test("an upgrade by a superuser leaves everything to the schema's owner", async () => {
  await using empty = await emptyDatabase();
  const role = `attune_test_owner_${process.pid}`;
  await asSuperuser((client) => client.query(`create role ${role} login password 'secret'`));
  onTestFinished(() => asSuperuser((client) => client.query(`drop role ${role}`)).then(() => undefined));
  await asSuperuser((client) =>
    client.query(`grant create on database ${new URL(empty.url).pathname.slice(1)} to ${role}`),
  );
  const url = new URL(empty.url);
  url.username = role;
  url.password = "secret";
  const earlier = migrations.findIndex(({ name }) => name === "bound_old_history");
  await using owner = await openPostgresql({ url: url.href, logger: silentLogger });
  await migrate(owner, migrations.slice(0, earlier), silentLogger);
  await owner.query({ text: "insert into event (trigger_ref) values ('t')" });

  await using superuser = await openPostgresql({ url: empty.url, logger: silentLogger });
  await migrate(superuser, migrations, silentLogger);

  await demandRights(owner);
  const { rows } = await owner.query({ text: "select name from list_partitions('event')" });
  expect(rows).toContainEqual({ name: "event_before" });
  await owner.query({ text: "insert into rule (ref, trigger_ref, action_ref) values ('r', 't', 'a')" });
  const others = await owner.query({
    text: `select relname from pg_class where relnamespace = 'attune'::regnamespace and relowner <> $1::regrole
           union all
           select proname from pg_proc where pronamespace = 'attune'::regnamespace and proowner <> $1::regrole`,
    values: [role],
  });
  expect(others.rows).toEqual([]);
});

test("a migration that fails leaves those before it applied and nothing of its own", async () => {
  await using fresh = await freshDatabase();
  const good = { version: "29990101000001", name: "good", text: "create table good ()", checksum: "1" };
  const bad = {
    version: "29990101000002",
    name: "bad",
    text: "create table bad (); select 1 / 0",
    checksum: "2",
  };

  await expect(migrate(fresh.database, [...migrations, good, bad], silentLogger)).rejects.toMatchObject({
    code: "MIGRATION_FAILED",
    reason: "division by zero (SQLSTATE 22012)",
  });

  expect(await pendingMigrations(fresh.database, [good, bad])).toEqual([bad]);
  expect(await tableNames(fresh.database, ["good", "bad"])).toEqual(["good"]);
});

test("a changed file and a newer database cause warnings, and do not prevent a start", async () => {
  await using fresh = await freshDatabase();
  const warnings: string[] = [];
  const [first, ...others] = migrations;
  if (first === undefined) throw new Error("no migrations");
  const known = [{ ...first, checksum: "changed" }, ...others.slice(0, -1)];

  await migrate(fresh.database, known, {
    ...silentLogger,
    warn: (_, message) => warnings.push(message),
  } satisfies Logger);

  expect(warnings).toEqual([
    "a migration was changed after this database applied it",
    "the database has a migration from a newer version of this program",
  ]);
});

test("a plain session of the role that migrated finds the tables by their bare names", async () => {
  await using empty = await emptyDatabase();
  await using database = await openPostgresql({ url: empty.url, logger: silentLogger });
  await migrate(database, migrations, silentLogger);

  await using plain = await plainClient(empty.url);
  expect((await plain.client.query("select name from worker")).rows).toEqual([]);
});

async function psql(url: string, file: string): Promise<void> {
  // As the documents say it: psql $DATABASE_URL < file
  await execute("sh", [
    "-c",
    'psql --quiet --set ON_ERROR_STOP=1 "$1" < "$2"',
    "sh",
    url,
    join(directory, file),
  ]);
}

async function plainClient(url: string): Promise<{ client: Client } & AsyncDisposable> {
  const client = new Client({ connectionString: url });
  await client.connect();
  return { client, [Symbol.asyncDispose]: () => client.end() };
}

async function tableNames(database: Database, candidates: string[]): Promise<unknown[]> {
  const { rows } = await database.query({
    text: "select name from unnest($1::text[]) as name where to_regclass(name) is not null",
    values: [candidates],
  });
  return rows.map((row) => Object(row).name as unknown);
}
