/** A password that changes while the agent runs. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { openPostgresql } from "../../src/database/postgresql/postgresql.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { asSuperuser, emptyDatabase } from "../support/postgres.ts";

const soon = { timeout: 20_000, interval: 50 };

// Goal: a rotation needs no restart, whatever the file contains between its two steps.
// Method: change the role's password and cut every connection; then the file is gone, half written, and right.
test("a rotated password is read from its file at the next connection", async () => {
  await using empty = await emptyDatabase();
  const role = `attune_test_${process.pid}_rotated`;
  await asSuperuser((client) => client.query(`create role ${role} login password 'first-word'`));
  onTestFinished(() => asSuperuser((client) => client.query(`drop role ${role}`)).then(() => undefined));
  const directory = mkdtempSync(join(tmpdir(), "attune-rotation-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const urlFile = join(directory, "url");
  const url = (password: string): string => {
    const { host, pathname } = new URL(empty.url);
    return `postgresql://${role}:${password}@${host}${pathname}`;
  };
  writeFileSync(urlFile, url("first-word"));
  await using database = await openPostgresql({
    url: url("first-word"),
    urlFile,
    logger: silentLogger,
    heartbeatMs: 300,
  });
  const heard: unknown[] = [];
  await database.listen("rotation", (payload) => heard.push(payload));

  await asSuperuser(async (client) => {
    await client.query(`alter role ${role} password 'second-word'`);
    await client.query("select pg_terminate_backend(pid) from pg_stat_activity where usename = $1", [role]);
  });
  await expect.poll(() => database.health().state, soon).toBe("down");
  rmSync(urlFile);
  await expect(database.query({ text: "select 1" })).rejects.toThrow();
  writeFileSync(urlFile, "postgresql://half%");
  await expect(database.query({ text: "select 1" })).rejects.toThrow(/password authentication failed/);
  writeFileSync(urlFile, `${url("second-word")}\n`);

  await expect
    .poll(() => database.query({ text: "select 1 as one" }).then(({ rows }) => rows, String), soon)
    .toEqual([{ one: 1 }]);
  // The session has come back too, and with it whatever was listened to.
  await expect.poll(() => heard.length, soon).toBeGreaterThan(1);
});
