import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { EmbeddedServer } from "../../../src/database/embedded/embedded-server.ts";
import { openEmbedded } from "../../../src/database/embedded/embedded.ts";
import { startEngine } from "../../../src/database/embedded/engine.ts";
import { databaseFailureReason } from "../../../src/database/explain-failure.ts";
import { silentLogger } from "../../../src/telemetry/logger.ts";
import { fakeClock } from "../../support/fake-clock.ts";
import { openFilesBelow } from "../../support/open-files.ts";
import { recordingLogger } from "../../support/recording-logger.ts";

/** An empty database, copied by the tests: making one takes seconds. */
const made = mkdtempSync(join(tmpdir(), "attune-embedded-"));
beforeAll(async () => {
  await using database = await openEmbedded({ dataDirectory: made, logger: silentLogger });
  await database.query({ text: "create table public.kept (number int, filler text)" });
});
afterAll(() => rmSync(made, { recursive: true }));

/** The second of its statements needs a new file of the log. */
const fatal = { text: "select pg_switch_wal(); insert into public.kept values (2)" };

// Goal: the end of the server ends nothing else, and what was committed is there again, without anybody doing anything.
// Method: take the folder of its log away, so that it cannot begin the next file of it, as on a full disk. A message with two
// statements is one that the server has not read to its end.
test("a server that ended itself is started again on what was committed", async () => {
  const directory = madeDirectory();
  const log = join(directory, "postgresql/pg_wal");
  const clock = fakeClock();
  const { logger, lines } = recordingLogger();
  const hints: (string | undefined)[] = [];
  await using database = await openEmbedded({ dataDirectory: directory, logger, clock });
  await using _ = await database.listen("changes", (payload) => hints.push(payload));
  await database.query({ text: "insert into public.kept values (1)" });
  const opened = openFilesBelow(join(directory, "postgresql"));
  renameSync(log, `${log}.away`);

  const inTransaction = database.transaction(async (transaction) => {
    await transaction.query({ text: "insert into public.kept values (3)" });
    await transaction.query(fatal);
  });
  const queued = database.query({ text: "insert into public.kept values (4)" });

  await expect(inTransaction).rejects.toMatchObject({ name: "ConnectionError", outcome: "unknown" });
  await expect(queued).rejects.toMatchObject({ name: "ConnectionError" });
  const refused: unknown = await database.query({ text: "select 1" }).catch((error: unknown) => error);
  expect(refused).toMatchObject({ name: "ConnectionError", outcome: "nothing-done" });
  expect(databaseFailureReason(refused)).toMatch(
    /^its server ended itself: could not create file "pg_wal\/.*: No such file/,
  );
  await expect(database.transaction(async () => {})).rejects.toMatchObject({ outcome: "nothing-done" });
  expect(database.health()).toMatchObject({
    state: "down",
    detail: expect.stringContaining(
      `could not use the embedded database in ${directory}: its server ended itself`,
    ),
  });
  expect(openFilesBelow(join(directory, "postgresql"))).toEqual([]);

  // The folder is not back yet, so the next start fails, and the one after it does not.
  await clock.advance(5_000);
  await expect.poll(() => database.health().detail).toContain("could not open the embedded database in");
  expect(openFilesBelow(join(directory, "postgresql"))).toEqual([]);
  renameSync(`${log}.away`, log);
  await clock.advance(10_000);
  await expect.poll(() => database.health().state).toBe("up");

  await expect.poll(() => hints).toEqual([undefined, undefined]);
  await database.query({ text: "notify changes, 'again'" });
  expect(hints).toEqual([undefined, undefined, "again"]);
  await database.query({ text: "insert into public.kept values (5)" });
  const { rows } = await database.query({ text: "select number from public.kept order by number" });
  expect(rows).toEqual([{ number: 1 }, { number: 5 }]);
  expect(openFilesBelow(join(directory, "postgresql")).length).toBeLessThanOrEqual(opened.length + 5);
  expect(lines.map(({ message }) => message)).toEqual([
    "the embedded database ended itself; starting it again until it runs",
    "the embedded database runs again",
  ]);
});

test("a database whose server has ended is closed without it", async () => {
  const directory = madeDirectory();
  const log = join(directory, "postgresql/pg_wal");
  const database = await openEmbedded({ dataDirectory: directory, logger: silentLogger });
  await database.query({ text: "insert into public.kept values (1)" });
  renameSync(log, `${log}.away`);
  await expect(database.query(fatal)).rejects.toThrow("its server ended itself");

  await database[Symbol.asyncDispose]();

  renameSync(`${log}.away`, log);
  await using reopened = await openEmbedded({ dataDirectory: directory, logger: silentLogger });
  expect((await reopened.query({ text: "select number from public.kept" })).rows).toEqual([{ number: 1 }]);
});

// Each start computes for about a second, in which nothing else runs.
test("a server that fails again and again is started ever more rarely, and soon again after it has run for long", async () => {
  const directory = madeDirectory();
  const log = join(directory, "postgresql/pg_wal");
  const clock = fakeClock();
  let starts = 0;
  await using server = await EmbeddedServer.open({
    dataDirectory: directory,
    start: () => {
      starts += 1;
      return startEngine({ directory, schema: "attune", assets: undefined });
    },
    logger: silentLogger,
    clock,
  });
  const end = async (): Promise<void> => {
    renameSync(log, `${log}.away`);
    await expect(server.query(fatal)).rejects.toThrow("its server ended itself");
    await expect.poll(() => clock.sleeperCount()).toBe(1);
  };
  /** Until the next start, which ends the pause. */
  const pauseSeconds = async (): Promise<number> => {
    const before = starts;
    for (let seconds = 1; ; seconds += 1) {
      await clock.advance(1_000);
      if (starts > before) return seconds;
    }
  };
  await clock.advance(60_000);
  await end();
  await expect.poll(() => server.health().detail).toMatch(/; start 1 follows in 5 s$/);

  const pauses: number[] = [];
  for (let attempts = 0; attempts < 6; attempts += 1) {
    pauses.push(await pauseSeconds());
    await expect.poll(() => clock.sleeperCount()).toBe(1);
  }
  expect(pauses).toEqual([5, 10, 20, 40, 60, 60]);

  renameSync(`${log}.away`, log);
  await pauseSeconds();
  await expect.poll(() => server.health().state).toBe("up");
  await end();
  await expect.poll(() => server.health().detail).toMatch(/ follows in 60 s$/);
  renameSync(`${log}.away`, log);
  await pauseSeconds();
  await expect.poll(() => server.health().state).toBe("up");
  await clock.advance(60_000);
  await end();
  await expect.poll(() => server.health().detail).toMatch(/; start 1 follows in 5 s$/);
  renameSync(`${log}.away`, log);
});

// Goal: a full disk loses no committed row, and once there is room the database works again without a restart of the process.
// Method: a process of its own on a small volume that only it sees.
test("after its disk was full it works again as soon as there is room", () => {
  const volume = mkdtempSync(join(tmpdir(), "attune-volume-"));
  onTestFinished(() => rmSync(volume, { recursive: true }));
  const program = join(import.meta.dirname, "../fixtures/full-disk-writer.ts");
  const script =
    'mount -t tmpfs -o size=110m none "$0" && cp -r "$1" "$0/data" && shift && exec "$@" "$0/data" "$0/ballast"';
  const namespace = ["--user", "--map-root-user", "--mount"];

  const { stdout, stderr } = spawnSync(
    "unshare",
    [
      ...namespace,
      "sh",
      "-c",
      script,
      volume,
      made,
      process.execPath,
      "--disable-warning=ExperimentalWarning",
      program,
    ],
    { encoding: "utf8", timeout: 120_000 },
  );

  expect(stderr).toBe("");
  const told: Told = JSON.parse(stdout);
  expect(told.stored).toEqual(expect.arrayContaining([...told.committed]));
  const unknown = told.failures.filter(({ kind }) => kind === "ambiguous").length;
  expect(told.stored.length - told.committed.length).toBeLessThanOrEqual(unknown);
  expect(
    new Set(told.failures.map(({ kind }) => kind)).difference(new Set(["ambiguous", "unavailable"])),
  ).toEqual(new Set());
  expect(told.failures[0]?.message).toContain("No space left on device");
  expect(told.states.at(-1)).toBe("up");
}, 150_000);

interface Told {
  readonly committed: readonly number[];
  readonly stored: readonly number[];
  readonly failures: readonly { readonly kind: string; readonly message: string }[];
  readonly states: readonly string[];
  readonly logged: readonly string[];
}

function madeDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "attune-embedded-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  cpSync(made, directory, { recursive: true });
  return directory;
}
