import { spawn, type ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createInterface } from "node:readline";
import { tmpdir } from "node:os";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { Readable } from "node:stream";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { Database, Query } from "../../../src/database/database.ts";
import { loadMigrations } from "../../../src/database/migrations/bundled-migrations.ts";
import { maintain } from "../../../src/database/embedded/maintenance.ts";
import { openEmbedded } from "../../../src/database/embedded/embedded.ts";
import { migrate } from "../../../src/database/migrations/migrate.ts";
import { silentLogger } from "../../../src/telemetry/logger.ts";
import { openFilesBelow } from "../../support/open-files.ts";
import { testConformance } from "../conformance.ts";

/** An empty database, copied by the tests: making one takes seconds. */
const made = mkdtempSync(join(tmpdir(), "attune-embedded-"));
beforeAll(async () => {
  const database = await openEmbedded({ dataDirectory: made, logger: silentLogger });
  await database[Symbol.asyncDispose]();
});
afterAll(() => rmSync(made, { recursive: true }));

describe("the embedded database as a database", () => {
  let database: Database;
  const directory = mkdtempSync(join(tmpdir(), "attune-embedded-"));
  beforeAll(async () => {
    cpSync(made, directory, { recursive: true });
    database = await openEmbedded({ dataDirectory: directory, logger: silentLogger });
    await migrate(database, loadMigrations(), silentLogger);
  });
  afterAll(async () => {
    await database[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true });
  });

  testConformance(async () => database);

  test("a commit waits for the disk, a relaxed one does not", async () => {
    const settings = "select current_setting('fsync') as f, current_setting('synchronous_commit') as s";
    expect((await database.query({ text: settings })).rows).toEqual([{ f: "on", s: "on" }]);
    expect((await database.relaxed.query({ text: settings })).rows).toEqual([{ f: "on", s: "off" }]);
  });

  // Goal: the engine never reaches the limit on open files that a start requires.
  // Method: touch more tables than that; each table is at least one file.
  test("however many tables are used, it keeps fewer than 192 files open", async () => {
    const names = Array.from({ length: 300 }, (_, index) => `public.many_${index}`);
    for (const name of names) await database.query({ text: `create table ${name} as select 1 as n` });
    for (const name of names) await database.query({ text: `select n from ${name}` });

    expect(openFilesBelow(directory).length).toBeLessThan(192);
    await database.query({ text: `drop table ${names.join(", ")}` });
  });

  test("an error does not carry the parameters", async () => {
    const failure: unknown = await database
      .query({ text: "select $1::int", values: ["a secret"] })
      .catch((error: unknown) => error);

    expect(Object.keys(Object(failure))).not.toContain("params");
  });
});

// Goal: whatever a process saw committed exists after it was killed.
// Method: a real process commits and reports it, row by row; kill it at some moment, open, compare. Three
// times over the same directory, so that recovery is recovered from as well.
test("commits survive kill -9", async () => {
  const directory = madeDirectory();
  let keptBefore = 0;
  for (const count of [30, 7, 90]) {
    const writer = startWriter(directory);
    const told = await linesUntil(writer, String(count));
    writer.kill("SIGKILL");
    await once(writer, "close");

    await using database = await openEmbedded({ dataDirectory: directory, logger: silentLogger });
    const { rows } = await database.query({ text: "select count(*)::int as n from public.kept" });
    const kept = Number(Object(rows[0]).n) - keptBefore;
    expect(kept).toBeGreaterThanOrEqual(told);
    expect(kept).toBeLessThanOrEqual(told + 200); // Those committed between the last line read and the kill.
    keptBefore += kept;
  }
}, 60_000);

// Goal: a commit is on disk, not only in the system's cache, so that it survives a power failure.
// Method: let Node trace its own calls of a process that makes a hundred commits, and count.
test("each commit reaches the disk", async () => {
  const directory = madeDirectory();
  const trace = join(directory, "trace.json");
  const writer = startWriter(directory, [
    "--trace-event-categories=node.fs.sync",
    `--trace-event-file-pattern=${trace}`,
  ]);
  await linesUntil(writer, "100");
  writer.kill("SIGTERM");
  await once(writer, "close");

  const calls = readFileSync(trace, "utf8").match(/fs\.sync\.fsync/g) ?? [];
  expect(calls.length).toBeGreaterThan(100);
}, 60_000);

test("the log is kept short and the tables are vacuumed", async () => {
  await using database = await openEmbedded({ dataDirectory: madeDirectory(), logger: silentLogger });
  const run = (query: Query): Promise<{ rows: object[] }> => database.query(query);
  await run({ text: "create schema attune; create table attune.busy (filler text)" });
  await run({
    text: "insert into attune.busy select repeat(md5(i::text), 30) from generate_series(1, 30000) as i",
  });
  await run({ text: "delete from attune.busy" });
  await run({ text: "select pg_stat_force_next_flush()" });
  const measure = {
    text: `select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), redo_lsn)::float8 > 16000000 as is_long,
                  (select n_dead_tup from pg_stat_user_tables where relname = 'busy') as dead
             from pg_control_checkpoint()`,
  };
  // The database's own loop may have been there first; without either the log would be long now.
  await maintain(run, "attune");

  expect((await run(measure)).rows).toEqual([{ is_long: false, dead: "0" }]);
});

test("timers run between endlessly consecutive statements", async () => {
  await using database = await openEmbedded({ dataDirectory: madeDirectory(), logger: silentLogger });
  const timer = AbortSignal.timeout(50);
  const startMs = performance.now();
  while (!timer.aborted && performance.now() - startMs < 5_000) await database.query({ text: "select 1" });

  expect(timer.aborted).toBe(true);
});

test("it starts from assets given as bytes, as in the single executable", async () => {
  const packaged = dirname(createRequire(import.meta.url).resolve("@electric-sql/pglite"));
  const bytesOf = (file: string): Uint8Array<ArrayBuffer> =>
    new Uint8Array(readFileSync(join(packaged, file)));
  await using database = await openEmbedded({
    dataDirectory: freshDirectory(),
    logger: silentLogger,
    loadAssets: () => ({
      server: bytesOf("pglite.wasm"),
      initdb: bytesOf("initdb.wasm"),
      files: bytesOf("pglite.data"),
    }),
  });

  expect((await database.query({ text: "select 1 as one" })).rows).toEqual([{ one: 1 }]);
});

describe("the data directory", () => {
  test("is refused to a second process while the first lives, and free once it was killed", async () => {
    const directory = madeDirectory();
    const writer = startWriter(directory);
    await linesUntil(writer, "1");

    const failure: unknown = await openEmbedded({ dataDirectory: directory, logger: silentLogger }).catch(
      (error: unknown) => error,
    );
    expect(failure).toMatchObject({ code: "DATA_DIRECTORY_IN_USE" });
    expect(String(failure)).toContain(`process ${writer.pid}`);

    writer.kill("SIGKILL");
    await once(writer, "close");
    await using database = await openEmbedded({ dataDirectory: directory, logger: silentLogger });
    expect(database.health().state).toBe("up");
  });

  test("is refused to the same process a second time, and free once closed", async () => {
    const directory = madeDirectory();
    const database = await openEmbedded({ dataDirectory: directory, logger: silentLogger });
    await expect(openEmbedded({ dataDirectory: directory, logger: silentLogger })).rejects.toMatchObject({
      code: "DATA_DIRECTORY_IN_USE",
    });

    await database[Symbol.asyncDispose]();
    await database[Symbol.asyncDispose]();

    expect(database.health().state).toBe("down");
    await expect(database.query({ text: "select 1" })).rejects.toMatchObject({ outcome: "nothing-done" });
    expect(readdirSync(directory)).toEqual(["postgresql"]);
  });

  test("that cannot be used is an operator error, and is left unlocked", async () => {
    const directory = madeDirectory();
    const file = join(directory, "postgresql/PG_VERSION");
    await expect(openEmbedded({ dataDirectory: file, logger: silentLogger })).rejects.toMatchObject({
      code: "DATABASE_UNREACHABLE",
    });
  });

  // Goal: whatever is wrong with the folder, it is reported, and nothing in it is created again.
  // Method: damage a copy in every way that the engine reacts to differently.
  test.each<[string, (folder: string) => void, string | RegExp]>([
    [
      "of another version",
      (folder) => writeFileSync(join(folder, "PG_VERSION"), "12\n"),
      "database files are incompatible with server",
    ],
    ["without its version", (folder) => rmSync(join(folder, "PG_VERSION")), "its file PG_VERSION is missing"],
    [
      "without its control file",
      (folder) => rmSync(join(folder, "global/pg_control")),
      'could not open file "global/pg_control": No such file or directory',
    ],
    [
      "without its log",
      (folder) => rmSync(join(folder, "pg_wal"), { recursive: true }),
      /^(could not locate a valid checkpoint record|required WAL directory)/,
    ],
    [
      "without its configuration",
      (folder) => rmSync(join(folder, "postgresql.conf")),
      /^the server does not start on the files in .*\/postgresql$/,
    ],
    [
      "with a catalogue of noise",
      (folder) => writeFileSync(join(folder, "base/5/1259"), Buffer.alloc(65_536, 0xab)),
      /^invalid page in block 0 of relation "base\/5\/1259"/,
    ],
  ])(
    "a database %s is reported as damaged with its folder, and is left unlocked",
    async (_, damage, reason) => {
      const directory = madeDirectory();
      const folder = join(directory, "postgresql");
      damage(folder);
      const left = readdirSync(folder);

      const failure: unknown = await openEmbedded({ dataDirectory: directory, logger: silentLogger }).catch(
        (error: unknown) => error,
      );

      expect(failure).toMatchObject({
        code: "DATABASE_DAMAGED",
        attempt: `open the embedded database in ${directory}`,
        reason: typeof reason === "string" ? reason : expect.stringMatching(reason),
        remedy: expect.stringContaining(`put a copy in the place of ${folder}, or move it away`),
      });
      expect(readdirSync(folder).filter((name) => name !== "postmaster.pid")).toEqual(left);
      expect(readdirSync(directory)).toEqual(["postgresql"]);
    },
  );

  test("a database whose creation was interrupted is created anew", async () => {
    const directory = freshDirectory();
    mkdirSync(join(directory, "postgresql.creating-12"), { recursive: true });
    writeFileSync(join(directory, "postgresql.creating-12", "PG_VERSION"), "18\n");

    await using database = await openEmbedded({ dataDirectory: directory, logger: silentLogger });

    expect((await database.query({ text: "select 1 as one" })).rows).toEqual([{ one: 1 }]);
    expect(existsSync(join(directory, "postgresql.creating-12"))).toBe(false);
    expect(statSync(join(directory, "postgresql")).mode & 0o077).toBe(0);
  });
});

type Writer = ChildProcessByStdio<null, Readable, null>;

function startWriter(directory: string, nodeOptions: string[] = []): Writer {
  const program = join(import.meta.dirname, "../fixtures/embedded-writer.ts");
  const writer = spawn(process.execPath, [...nodeOptions, program, directory], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => void writer.kill("SIGKILL"));
  return writer;
}

/** Reads until that line and answers with its number. */
async function linesUntil(writer: Writer, line: string): Promise<number> {
  for await (const read of createInterface(writer.stdout)) if (read === line) return Number(line);
  throw new Error(`the writer ended before it wrote ${line}`);
}

function madeDirectory(): string {
  const directory = freshDirectory();
  cpSync(made, directory, { recursive: true });
  return directory;
}

function freshDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "attune-embedded-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}
