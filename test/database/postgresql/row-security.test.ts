/**
 * Row security that is switched on while an agent runs, as a role that does not own the schema, on a real PostgreSQL.
 *
 * Goal: rows are never hidden from an agent without an error, and it continues once it may see all of them.
 */
import { randomBytes } from "node:crypto";
import type { Client } from "pg";
import { expect, onTestFinished, test } from "vitest";
import type { Queryable } from "../../../src/database/database.ts";
import { classifyDatabaseError } from "../../../src/database/errors.ts";
import { openPostgresql } from "../../../src/database/postgresql/postgresql.ts";
import { openReader } from "../../../src/database/postgresql/reader.ts";
import { openRuleSource } from "../../../src/rules/rule-source.ts";
import { silentLogger } from "../../../src/telemetry/logger.ts";
import { systemClock } from "../../../src/time/clock.ts";
import { insertRule, insertTrigger } from "../../support/platform-rows.ts";
import { asSuperuser, freshDatabase } from "../../support/postgres.ts";
import { recordingLogger } from "../../support/recording-logger.ts";

/** Another role's URL of a database with one rule, and a connection of the owner. */
async function prepare(): Promise<{ readonly url: string; readonly owner: Client; readonly role: string }> {
  const fresh = await freshDatabase();
  onTestFinished(() => fresh[Symbol.asyncDispose]());
  await insertTrigger(fresh.database, "t.one");
  await insertRule(fresh.database, { ref: "r.first", triggerRef: "t.one" });
  const owner = await fresh.connect();
  const role = `attune_test_role_${randomBytes(4).toString("hex")}`;
  await asSuperuser((client) => client.query(`create role ${role} login password 'secret'`));
  onTestFinished(() => asSuperuser((client) => client.query(`drop role ${role}`)).then(() => undefined));
  await owner.query(`grant usage on schema attune to ${role}`);
  await owner.query(`grant select, insert, update, delete on all tables in schema attune to ${role}`);
  onTestFinished(() => owner.query(`drop owned by ${role}`).then(() => undefined));
  const url = new URL(fresh.url);
  url.username = role;
  url.password = "secret";
  return { url: url.href, owner, role };
}

const countRules = async (rows: Queryable): Promise<unknown> =>
  (await rows.query({ name: "count_rules", text: "select count(*)::int as count from rule" })).rows;

const one = [{ count: 1 }];

test("statements on a table with row security fail until it ends, and health and log say so", async () => {
  const { url, owner } = await prepare();
  const { logger, lines } = recordingLogger();
  await using database = await openPostgresql({ url, logger });
  const ways: readonly Queryable[] = [database, database.relaxed, database.reserved];
  for (const rows of ways) expect(await countRules(rows)).toEqual(one);

  await owner.query("alter table rule enable row level security");
  for (const rows of ways) {
    const failure = await countRules(rows).catch((error: unknown) => error);
    expect(String(failure)).toContain("row-level security");
    expect(classifyDatabaseError(failure)).toBe("unavailable");
  }
  await expect(database.transaction((rows) => countRules(rows))).rejects.toThrow("row-level security");
  await database.query({ text: "select from trigger" });

  expect(database.health()).toMatchObject({
    state: "degraded",
    detail: expect.stringContaining('row-level security policy for table "rule"'),
  });

  await owner.query("alter table rule disable row level security");
  for (const rows of ways) expect(await countRules(rows)).toEqual(one);

  expect(database.health().state).toBe("up");
  expect(lines.map(({ message }) => message)).toEqual([
    expect.stringMatching(/^row security hides rows from the agent's role/),
    "row security hides nothing any more",
  ]);
});

test("policies that show every row are followed, also those that come later", async () => {
  const { url, owner, role } = await prepare();
  await owner.query("alter table rule enable row level security");
  await owner.query(`create policy sensor_agent on rule to ${role} using (true)`);
  {
    await using database = await openPostgresql({ url, logger: silentLogger, connectionsMax: 3 });
    for (const rows of [database, database.reserved]) expect(await countRules(rows)).toEqual(one);
    expect(await database.transaction((rows) => countRules(rows))).toEqual(one);
    await using reader = await openReader({
      url,
      tls: {},
      schema: "attune",
      applicationName: "test",
      statementMs: 5_000,
    });
    const read: unknown[] = [];
    await reader.eachRow({ text: "select ref from rule" }, (columns) => read.push(columns));
    expect(read).toEqual([["r.first"]]);
  }
  await owner.query("drop policy sensor_agent on rule");
  await using database = await openPostgresql({ url, logger: silentLogger, connectionsMax: 3 });
  for (const rows of [database, database.reserved]) await expect(countRules(rows)).rejects.toThrow();

  await owner.query(`create policy sensor_agent on rule to ${role} using (true)`);

  for (const rows of [database, database.reserved]) expect(await countRules(rows)).toEqual(one);
  expect(database.health().state).toBe("up");
});

test("no rule is lost while row security hides them, and their changes are read when it ends", async () => {
  const { url, owner } = await prepare();
  await using database = await openPostgresql({ url, logger: silentLogger });
  const rules = await openRuleSource({
    database,
    intervalMs: 60_000,
    logger: silentLogger,
    clock: systemClock,
    random: Math.random,
  });
  const known = () => rules.current().counts.valid;
  expect(known()).toBe(1);

  await owner.query("alter table rule enable row level security");
  await owner.query("update rule set label = 'changed'");
  await owner.query(
    "insert into rule (ref, action_ref, trigger, trigger_ref) select 'r.second', 'a.b', id, ref from trigger where ref = 't.one'",
  );
  await expect(rules.refresh()).rejects.toThrow("row-level security");
  expect(known()).toBe(1);

  await owner.query("alter table rule disable row level security");
  await rules.refresh();
  expect(known()).toBe(2);
});
