/** The commands' output when the database fails: one line on stderr, exit code 1, no stack. */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { asSuperuser, emptyDatabase, freshDatabase } from "../support/postgres.ts";

const role = `attune_test_${process.pid}_stranger`;
beforeAll(() => asSuperuser((client) => client.query(`create role ${role} login password 'secret-word'`)));
afterAll(() => asSuperuser((client) => client.query(`drop role ${role}`)));

test.each([[["migrate"]], [[]]])("a role without rights on the schema (%j)", async (args) => {
  await using fresh = await freshDatabase();
  const { host, pathname } = new URL(fresh.url);

  const { code, stdout, stderr } = await agent(args, `postgresql://${role}:secret-word@${host}${pathname}`);

  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  expect(lastLine(stderr)).toMatch(
    new RegExp(
      `^attune-sensor-agent: could not (migrate|run worker w1 on) the database at ${host}${pathname}: permission denied for (schema attune|table schema_migration) \\(SQLSTATE 42501\\); grant the role what "attune-sensor-agent migrate --print-grants" prints, or make it the owner of the schema; see docs/database\\.md \\[DATABASE_RIGHTS_MISSING\\]$`,
    ),
  );
  expect(stderr).not.toMatch(/please report|secret-word|^ +at /m);
});

test("a dropped table ends the start with one line", async () => {
  await using fresh = await freshDatabase();
  await asSuperuser((client) => client.query("drop table attune.worker cascade"), fresh.url);

  const { code, stderr } = await agent([], fresh.url);

  expect(code).toBe(1);
  expect(lastLine(stderr)).toMatch(
    /^attune-sensor-agent: could not run worker w1 on the database at \S+: relation "worker" does not exist \(SQLSTATE 42P01\); run attune-sensor-agent migrate; .* \[DATABASE_INCOMPLETE\]$/,
  );
});

test("packs are not loaded into a read-only database, and the error says so", async () => {
  await using fresh = await freshDatabase();
  const url = `${fresh.url}?options=-c%20default_transaction_read_only%3Don`;

  const { code, stdout, stderr } = await agent(["packs", "load", "packs/core"], url);

  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  expect(lastLine(stderr)).toMatch(
    /^attune-sensor-agent: could not load packs into the database at \S+: cannot execute .* in a read-only transaction \(SQLSTATE 25006\); name the primary in database\.url, or allow writes \[DATABASE_READ_ONLY\]$/,
  );
});

test("doctor reports what it could not connect to, why, and what to do", async () => {
  await using empty = await emptyDatabase();
  const { host, pathname } = new URL(empty.url);

  const { code, stdout } = await agent(["doctor"], `postgresql://${role}@${host}${pathname}`);

  expect(code).toBe(1);
  expect(stdout).toContain(
    `could not connect to the database at ${host}${pathname}: it asks for a password, and database.url has none\n`,
  );
});

test("a character in a password that splits the URL is named, and no connection is attempted", async () => {
  const { code, stderr } = await agent(["migrate"], "postgresql://me:1#secret-word@127.0.0.1:1/attune");

  expect(code).toBe(1);
  expect(stderr).toBe(
    "attune-sensor-agent: could not use the configuration: database.url (environment variable DATABASE_URL) has a # that is not percent-encoded: in a user name or password write it as %23; correct it, see docs/configuration.md [CONFIG_INVALID]\n",
  );
});

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function agent(args: readonly string[], databaseUrl: string): Promise<Outcome> {
  const directory = mkdtempSync(join(tmpdir(), "attune-failures-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const root = new URL("../../", import.meta.url).pathname;
  const environment = {
    PATH: "/nonexistent",
    DATABASE_URL: databaseUrl,
    ATTUNE__API__PORT: "0",
    ATTUNE__LOGS_DIR: join(directory, "logs"),
    ATTUNE__LOG__LEVEL: "warn",
  };
  const { promise, resolve } = Promise.withResolvers<Outcome>();
  execFile(
    process.execPath,
    [join(root, "src/main.ts"), "--name", "w1", ...args],
    { cwd: root, env: environment },
    (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    },
  );
  return promise;
}

function lastLine(text: string): string {
  return text.trimEnd().split("\n").at(-1) ?? "";
}
