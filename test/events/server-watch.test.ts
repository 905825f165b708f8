import { execFileSync } from "node:child_process";
import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { freePort } from "../../scripts/services/free-port.ts";
import { type PostgresServer, startPostgres } from "../../scripts/services/postgres.ts";
import type { Database } from "../../src/database/database.ts";
import { loadMigrations } from "../../src/database/migrations/bundled-migrations.ts";
import { migrate } from "../../src/database/migrations/migrate.ts";
import { openDatabase } from "../../src/database/open-database.ts";
import { openPostgresql } from "../../src/database/postgresql/postgresql.ts";
import { Row } from "../../src/database/statement.ts";
import { ReservedIds } from "../../src/events/reserved-ids.ts";
import { ServerWatch } from "../../src/events/server-watch.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { asSuperuser, freshDatabase } from "../support/postgres.ts";
import { recordingLogger } from "../support/recording-logger.ts";

const sequences = ["event_id_seq", "enforcement_id_seq", "rule_message_seq"];
const leapt = "skipped 1000000000 ids";

async function nextIds(database: Database): Promise<readonly number[]> {
  const { rows } = await database.query({
    text: "select nextval(name::regclass)::text as id from unnest($1::text[]) as name",
    values: [sequences],
  });
  return rows.map((row) => Number(new Row("next ids", Object(row)).text("id")));
}

async function serverNoted(database: Database): Promise<unknown> {
  const { rows } = await database.query({ text: "select server from installation" });
  return Object(rows[0]).server;
}

async function sayOtherServer(database: Database): Promise<void> {
  await database.query({ text: "update installation set server = '7000000000000000000/00000001'" });
}

test("the first server is noted, and nothing leaps", async () => {
  await using scope = await freshDatabase();
  const { logger, lines } = recordingLogger();

  await new ServerWatch({ database: scope.database, logger }).look();
  await new ServerWatch({ database: scope.database, logger }).look();

  expect(await nextIds(scope.database)).toEqual([1, 1, 1]);
  expect(lines).toEqual([]);
  expect(await serverNoted(scope.database)).toMatch(/^\d{10,}\/[0-9A-F]{8}$/);
});

test("on a different server every sequence leaps once, and one line reports it", async () => {
  await using scope = await freshDatabase();
  await nextIds(scope.database);
  await sayOtherServer(scope.database);
  const { logger, lines } = recordingLogger();
  const watch = new ServerWatch({ database: scope.database, logger });

  await watch.look();
  await watch.look();

  expect(await nextIds(scope.database)).toEqual([1_000_000_002, 1_000_000_002, 1_000_000_002]);
  expect(lines).toEqual([
    expect.objectContaining({ level: "warn", message: expect.stringContaining(leapt) }),
  ]);
});

test("of many concurrent checks, one advances the sequences", async () => {
  await using scope = await freshDatabase();
  await nextIds(scope.database);
  await sayOtherServer(scope.database);
  const { logger, lines } = recordingLogger();

  await Promise.all(
    Array.from({ length: 8 }, () => new ServerWatch({ database: scope.database, logger }).look()),
  );

  expect(await nextIds(scope.database)).toEqual([1_000_000_002, 1_000_000_002, 1_000_000_002]);
  expect(lines).toHaveLength(1);
});

test("a running agent checks the server when it has a new session", async () => {
  await using scope = await freshDatabase();
  const { logger, lines } = recordingLogger();
  const watch = new ServerWatch({ database: scope.database, logger });
  await using _listening = await scope.database.listen("changes", () => watch.wake());
  await expect.poll(async () => (await serverNoted(scope.database)) !== null).toBe(true);
  await sayOtherServer(scope.database);

  await asSuperuser(async (client) => {
    await client.query("select pg_terminate_backend(pid) from pg_stat_activity where datname = $1", [
      new URL(scope.url).pathname.slice(1),
    ]);
  });

  await expect.poll(() => lines.length, { timeout: 10_000 }).toBe(1);
  expect(Math.min(...(await nextIds(scope.database)))).toBeGreaterThan(1_000_000_000);
});

test("a process that runs on takes no ids of another server's before the leap", async () => {
  await using scope = await freshDatabase();
  const watch = new ServerWatch({ database: scope.database, logger: silentLogger });
  const ids = new ReservedIds(scope.database, "event_id_seq", { look: () => watch.look() });
  const [early = "0"] = await ids.take(1);
  await scope.database.query({ text: "select setval('event_id_seq', 1)" });
  await sayOtherServer(scope.database);

  const later = await ids.take(3_000);

  const beyond = later.map(Number).filter((id) => id > 1_000_000_000);
  expect(Number(early)).toBe(1);
  // The block that it had is its own, as it was.
  expect(beyond.length).toBeGreaterThanOrEqual(2_000);
  expect(later.map(Number).filter((id) => id > 1_000 && id < 1_000_000_000)).toEqual([]);
});

test("a server that does not report its identity is used as it is", async () => {
  await using scope = await freshDatabase();
  const role = `cannot_tell_${process.pid}`;
  await asSuperuser(async (client) => {
    await client.query(`create role ${role} login password 'placeholder'`);
    await client.query(`grant usage on schema attune to ${role}`);
    await client.query(`grant select, update on attune.installation to ${role}`);
    await client.query("revoke execute on function pg_control_system() from public");
  }, scope.url);
  onTestFinished(() =>
    asSuperuser(async (client) => void (await client.query(`drop role if exists ${role}`))),
  );
  const url = new URL(scope.url);
  url.username = role;
  url.password = "placeholder";

  await using database = await openPostgresql({ url: url.href, logger: silentLogger, connectionsMax: 2 });
  const look = new ServerWatch({ database, logger: silentLogger }).look();

  await expect(look).resolves.toBeUndefined();
  await asSuperuser(async (client) => {
    await client.query(`drop owned by ${role}`);
  }, scope.url);
});

test("the embedded database reports its identity too", async () => {
  const directory = await mkdtemp(join(tmpdir(), "attune-watch-"));
  onTestFinished(() => rm(directory, { recursive: true }));
  await using database = await openDatabase({
    url: undefined,
    dataDirectory: directory,
    schema: "attune",
    connectionsMax: 1,
    whenUnreachable: "fail",
    logger: silentLogger,
  });
  await migrate(database, loadMigrations(), silentLogger);
  await sayOtherServer(database);
  const { logger, lines } = recordingLogger();

  await new ServerWatch({ database, logger }).look();

  expect(lines).toHaveLength(1);
});

// Goal: after a real loss by a failover, an agent that was not there before uses no id of what was lost.
// Method: a server's files are copied, ids are used, the copy takes the server's place and is promoted.
test("after a failover that lost something, new ids are beyond the lost ones", async () => {
  const directory = await mkdtemp(join(tmpdir(), "attune-failover-"));
  onTestFinished(() => rm(directory, { recursive: true }));
  await using server = await startPostgres({ directory, port: await freePort() });
  const [data, replica] = [join(directory, "data"), join(directory, "replica")];
  const early = await withDatabase(server, async (database) => {
    await migrate(database, loadMigrations(), silentLogger);
    await new ServerWatch({ database, logger: silentLogger }).look();
    return new ReservedIds(database, "event_id_seq").take(1);
  });
  await server.stop();
  execFileSync("cp", ["-a", data, replica]);
  await server.start();
  const lost = await withDatabase(server, (database) =>
    new ReservedIds(database, "event_id_seq").take(5_000),
  );
  await server.stop();
  await rm(data, { recursive: true });
  await rename(replica, data);
  await writeFile(join(data, "standby.signal"), "");
  await server.start();
  await asSuperuser(async (client) => void (await client.query("select pg_promote()")), server.url);

  const { logger, lines } = recordingLogger();
  const later = await withDatabase(server, async (database) => {
    await new ServerWatch({ database, logger }).look();
    return new ReservedIds(database, "event_id_seq").take(1);
  });

  expect(lines).toHaveLength(1);
  expect(Number(lost.at(-1))).toBeGreaterThan(Number(early[0]) + 5_000);
  expect(Number(later[0])).toBeGreaterThan(Number(lost.at(-1)));
});

async function withDatabase<Result>(
  { url }: PostgresServer,
  work: (database: Database) => Promise<Result>,
): Promise<Result> {
  await using database = await openPostgresql({ url, logger: silentLogger, connectionsMax: 2 });
  return await work(database);
}
