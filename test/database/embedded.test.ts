import { spawn, type ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { Database } from "../../src/database/database.ts";
import { loadMigrations } from "../../src/database/embedded-migrations.ts";
import { openEmbedded } from "../../src/database/embedded.ts";
import { migrate } from "../../src/database/migrate.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { testConformance } from "./conformance.ts";

describe("the embedded database as a database", () => {
  let database: Database;
  const directory = mkdtempSync(join(tmpdir(), "attune-embedded-"));
  beforeAll(async () => {
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

  test("an error does not carry the parameters", async () => {
    const failure: unknown = await database
      .query({ text: "select $1::int", values: ["a secret"] })
      .catch((error: unknown) => error);

    expect(Object.keys(Object(failure))).not.toContain("params");
  });
});

// Goal: what a process was told is committed is there after it was killed.
// Method: a real process commits and says so, row by row; kill it at some moment, open, compare. Three
// times over the same directory, so that recovery is recovered from as well.
test("commits survive kill -9", async () => {
  const directory = freshDirectory();
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

describe("the data directory", () => {
  test("is refused to a second process while the first lives, and free once it was killed", async () => {
    const directory = freshDirectory();
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
    const directory = freshDirectory();
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

function startWriter(directory: string): Writer {
  const program = join(import.meta.dirname, "fixtures/embedded-writer.ts");
  const writer = spawn(process.execPath, [program, directory], { stdio: ["ignore", "pipe", "inherit"] });
  onTestFinished(() => void writer.kill("SIGKILL"));
  return writer;
}

/** Reads until that line and answers with its number. */
async function linesUntil(writer: Writer, line: string): Promise<number> {
  for await (const read of createInterface(writer.stdout)) if (read === line) return Number(line);
  throw new Error(`the writer ended before it wrote ${line}`);
}

function freshDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "attune-embedded-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}
