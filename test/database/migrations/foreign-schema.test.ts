/**
 * Goal: another program's objects are read but never changed.
 * Method: the platform's Rust services' tables, and other neighbours, are made by hand; a dump before and after is the same.
 */
import { expect, test } from "vitest";
import { checkMigrations } from "../../../src/diagnosis/checks/database-checks.ts";
import { loadMigrations } from "../../../src/database/migrations/bundled-migrations.ts";
import { migrate } from "../../../src/database/migrations/migrate.ts";
import { ownEnums, ownFunctions, ownTables, ownViews } from "../../../src/database/migrations/own-objects.ts";
import { openPostgresql } from "../../../src/database/postgresql/postgresql.ts";
import { rowsOf } from "../../../src/database/statement.ts";
import { readSchemaContent } from "../../../src/database/statements/schema-content.ts";
import { silentLogger } from "../../../src/telemetry/logger.ts";
import { dumpOf, makeAncestor } from "../../support/ancestor.ts";
import { query } from "../../support/platform-rows.ts";
import { asSuperuser, emptyDatabase, freshDatabase } from "../../support/postgres.ts";
import { schemaText } from "../schema-text.ts";

const migrations = loadMigrations();

async function sql(url: string, text: string): Promise<void> {
  await asSuperuser((client) => client.query(text), url);
}

/** The failure of applying all migrations to the schema. */
async function refusal(url: string, schema = "attune"): Promise<unknown> {
  await using database = await openPostgresql({ url, schema, logger: silentLogger });
  const failure: unknown = await migrate(database, migrations, silentLogger).catch((error: unknown) => error);
  expect(await checkMigrations(database).catch((error: unknown) => error)).toMatchObject(Object(failure));
  return failure;
}

test("another system's tables are refused by name, by doctor too, and stay as they are", async () => {
  await using empty = await emptyDatabase();
  await makeAncestor(empty.url, "attune");
  const before = await dumpOf(empty.url, "attune");

  const failure = await refusal(empty.url);

  expect(failure).toMatchObject({ code: "DATABASE_FOREIGN" });
  expect(String(failure)).toMatch(
    /could not use the schema attune of the database at \S+: it contains another program's tables \(_sqlx_migrations records another program's migrations; the table enforcement has no updated; .*; and 2 more\), and nothing was changed; set database\.schema to a schema of the agent's own/,
  );
  expect(await dumpOf(empty.url, "attune")).toBe(before);
});

test("a schema of the agent's own beside theirs works, for the same role, and changes nothing of theirs", async () => {
  await using empty = await emptyDatabase();
  await makeAncestor(empty.url, "attune");
  const before = await dumpOf(empty.url, "attune");
  await using database = await openPostgresql({
    url: empty.url,
    schema: "attune_sensors",
    logger: silentLogger,
  });

  await migrate(database, migrations, silentLogger);

  expect(await dumpOf(empty.url, "attune")).toBe(before);
  await using fresh = await freshDatabase();
  expect(await schemaText(database)).toBe(
    (await schemaText(fresh.database))
      .replaceAll("attune.", "attune_sensors.")
      .replaceAll("attune_change", "attune_sensors_change"),
  );
});

test("theirs in the schema public, which every search path has, is not in the way of the usual one", async () => {
  await using empty = await emptyDatabase();
  await makeAncestor(empty.url, "public");
  const before = await dumpOf(empty.url, "public");
  await using database = await openPostgresql({ url: empty.url, logger: silentLogger });

  await migrate(database, migrations, silentLogger);

  expect(await dumpOf(empty.url, "public")).toBe(before);
  await using fresh = await freshDatabase();
  expect(await schemaText(database)).toBe(await schemaText(fresh.database));
});

test("an existing search path of the role is kept exactly", async () => {
  await using empty = await emptyDatabase();
  const { pathname } = new URL(empty.url);
  await sql(
    empty.url,
    `alter role current_user in database ${pathname.slice(1)} set search_path to "$user", 'Odd one', public`,
  );
  const before = await dumpOf(empty.url, "public");
  await using database = await openPostgresql({ url: empty.url, logger: silentLogger });

  await migrate(database, migrations, silentLogger);

  expect(before).toContain('search_path=\\"$user\\", \\"Odd one\\", public');
  expect(await dumpOf(empty.url, "public")).toBe(before);
  expect(await query(database, "select ref from pack")).toEqual([{ ref: "core" }]);
});

test("tables of other names are no obstacle, and stay", async () => {
  await using empty = await emptyDatabase();
  await sql(
    empty.url,
    `create schema attune; create table attune.invoice (id int); insert into attune.invoice values (1);
     create table attune._sqlx_migrations (version bigint)`,
  );
  await using database = await openPostgresql({ url: empty.url, logger: silentLogger });

  expect(await migrate(database, migrations, silentLogger)).toHaveLength(migrations.length);

  expect(await query(database, "select id from invoice")).toEqual([{ id: 1 }]);
});

test.each([
  ["create table attune.event (id uuid, title text)", /the table event has no trigger, trigger_ref/],
  ["create table attune.sensor_trigger (sensor int8, trigger text)", /sensor_trigger\.trigger is text, not/],
  ["create view attune.rule as select 1 as id", /rule is no table/],
  ["create table attune.enforcement_with_payload (id int8)", /enforcement_with_payload is no view/],
  ["create type attune.worker_status_enum as enum ('active', 'gone')", /worker_status_enum lacks inactive, /],
  [
    "create function attune.touch_updated() returns trigger language plpgsql as 'begin return new; end'",
    /the function touch_updated exists without its tables/,
  ],
  [
    "create table attune.schema_migration (version int8, dirty bool)",
    /schema_migration has no name, checksum/,
  ],
])("a foreign object with one of our names is refused and kept: %s", async (text, words) => {
  await using empty = await emptyDatabase();
  await sql(empty.url, `create schema attune; ${text}`);
  const before = await dumpOf(empty.url, "attune");

  const failure = await refusal(empty.url);

  expect(failure).toMatchObject({ code: "DATABASE_FOREIGN" });
  expect(String(failure)).toMatch(words);
  expect(await dumpOf(empty.url, "attune")).toBe(before);
});

test("a foreign schema that an earlier version began to migrate is refused, too", async () => {
  await using empty = await emptyDatabase();
  await makeAncestor(empty.url, "attune");
  const [first, second] = migrations;
  await sql(
    empty.url,
    `create table attune.schema_migration (version text, name text, checksum text, applied_at timestamptz);
     insert into attune.schema_migration
     values ('${first?.version}', '${first?.name}', '', now()), ('${second?.version}', '${second?.name}', '', now())`,
  );
  const before = await dumpOf(empty.url, "attune");

  expect(await refusal(empty.url)).toMatchObject({ code: "DATABASE_FOREIGN" });

  expect(await dumpOf(empty.url, "attune")).toBe(before);
});

test("a first installation that fails leaves nothing, not even the schema", async () => {
  await using empty = await emptyDatabase();
  await using database = await openPostgresql({ url: empty.url, logger: silentLogger });
  const bad = { version: "29990101000001", name: "bad", text: "select 1 / 0", checksum: "1" };

  const failure: unknown = await migrate(database, [...migrations, bad], silentLogger).catch(
    (error: unknown) => error,
  );

  expect(failure).toMatchObject({ code: "MIGRATION_FAILED" });
  expect(String(failure)).toContain("apply migration 29990101000001_bad");
  expect(await query(database, "select from pg_namespace where nspname = 'attune'")).toEqual([]);
  expect(await migrate(database, migrations, silentLogger)).toHaveLength(migrations.length);
});

test("the lists of our objects are what the migrations make", async () => {
  await using fresh = await freshDatabase();
  const found = await query<{ kind: string; name: string }>(
    fresh.database,
    `select case relkind when 'v' then 'v' else 'r' end as kind, relname as name from pg_class
      where relnamespace = 'attune'::regnamespace and relkind in ('r', 'p', 'v') and not relispartition
      union all
     select 'f', proname from pg_proc where pronamespace = 'attune'::regnamespace
      union all
     select 'e', typname from pg_type where typnamespace = 'attune'::regnamespace and typtype = 'e'`,
  );
  const names = (kind: string): string[] =>
    found
      .filter((each) => each.kind === kind)
      .map(({ name }) => name)
      .toSorted();

  expect(Object.keys(ownTables).toSorted()).toEqual(names("r"));
  expect([...ownViews].toSorted()).toEqual(names("v"));
  expect([...ownFunctions].toSorted()).toEqual(names("f"));
  expect(Object.keys(ownEnums).toSorted()).toEqual(names("e"));
});

test("the columns listed are there from the migration that creates a table on, with these types, and types have these labels", async () => {
  await using empty = await emptyDatabase();
  await using database = await openPostgresql({ url: empty.url, logger: silentLogger });
  const created = new Map<string, readonly string[]>();
  const seen = async (): Promise<void> => {
    const content = await rowsOf(database, readSchemaContent, {
      schema: "attune",
      relations: Object.keys(ownTables),
      enums: Object.keys(ownEnums),
      functions: [],
    });
    for (const { name, parts } of content) {
      const first = created.get(name) ?? parts;
      created.set(
        name,
        first.filter((part) => parts.includes(part)),
      );
    }
  };

  for (const [index] of migrations.entries()) {
    await migrate(database, migrations.slice(0, index + 1), silentLogger);
    await seen();
  }

  expect(Object.fromEntries([...created].map(([name, parts]) => [name, parts.toSorted()]))).toEqual({
    ...Object.fromEntries(
      Object.entries(ownTables).map(([name, columns]) => [name, columns.split(", ").toSorted()]),
    ),
    ...Object.fromEntries(Object.entries(ownEnums).map(([name, labels]) => [name, labels.toSorted()])),
  });
});
