/**
 * Commits that a real server makes late, while the pipeline has long given their statement up. Whatever becomes of them, the
 * messages are those of the rows.
 */
import { expect, test } from "vitest";
import type { Query, Queryable } from "../../src/database/database.ts";
import { loadMigrations } from "../../src/database/migrations/bundled-migrations.ts";
import { ConnectionError } from "../../src/database/errors.ts";
import { migrate } from "../../src/database/migrations/migrate.ts";
import { openPostgresql } from "../../src/database/postgresql/postgresql.ts";
import { openRuleSource } from "../../src/rules/rule-source.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { systemClock } from "../../src/time/clock.ts";
import { insertRule, query } from "../support/platform-rows.ts";
import { asSuperuser, privatePostgres } from "../support/postgres.ts";
import { openRig, openRigOn } from "./pipeline-rig.ts";
import { expectMessagesOfRows, sweptMessages } from "./swept-messages.ts";

/** The pipeline's own view of a database: gives statements up after a while, which the server then carries out all the same. */
async function givingUp(url: string, afterMs: number): Promise<Queryable & AsyncDisposable> {
  const patient = new URL(url);
  patient.searchParams.set("options", "-c statement_timeout=0");
  return await openPostgresql({
    url: patient.href.replaceAll("+", "%20"),
    queryTimeoutMs: afterMs,
    connectionsMax: 10,
    logger: silentLogger,
  });
}

/** Statements of the pipeline that the server is still carrying out. */
async function storingCount(database: Queryable): Promise<number> {
  const [row] = await query<{ count: number }>(
    database,
    `select count(*)::int as count from pg_stat_activity
      where datname = current_database() and state = 'active'
        and query like '%assignment_held as materialized%' and pid <> pg_backend_pid()`,
  );
  return row?.count ?? 0;
}

/**
 * Commits until one waits for a standby: the server obeys a changed setting only when its checkpointer has read it.
 * Disposing ends that commit's wait.
 */
async function firstWaitingCommit(url: string): Promise<AsyncDisposable> {
  const found = new AbortController();
  const committing = asSuperuser(async (client) => {
    while (!found.signal.aborted) await client.query("select pg_logical_emit_message(true, 'probe', '')");
  }, url);
  const waitingCount = (): Promise<number> =>
    asSuperuser(async (client) => {
      const { rowCount } = await client.query("select from pg_stat_activity where wait_event = 'SyncRep'");
      return rowCount ?? 0;
    }, url);
  await expect.poll(waitingCount, { timeout: 20_000 }).toBe(1);
  found.abort();
  return {
    async [Symbol.asyncDispose]() {
      await asSuperuser(async (client) => {
        await client.query(
          "select pg_cancel_backend(pid) from pg_stat_activity where wait_event = 'SyncRep'",
        );
      }, url);
      await committing;
    },
  };
}

test("a table that is locked for longer than a statement may take costs no message and adds none", async () => {
  await using rig = await openRig();
  await insertRule(rig.database, { ref: "demo.rule", triggerRef: "demo.tick" });
  await using impatient = await givingUp(rig.fresh.url, 700);
  await using running = await rig.start({ database: impatient });
  const operator = await rig.fresh.connect();
  await operator.query("begin; lock table enforcement in share mode");

  const accepted = Array.from({ length: 20 }, (_, n) =>
    running.pipeline.accept(rig.tick({ payload: { n } })),
  );
  // Several attempts wait at the server, each given up by the pipeline.
  await expect.poll(() => storingCount(rig.database), { timeout: 10_000 }).toBeGreaterThanOrEqual(3);
  await operator.query("commit");

  const outcomes = await Promise.all(accepted);
  expect(new Set(outcomes.map(({ kind }) => kind))).toEqual(new Set(["stored"]));
  expect(await rig.countOf("event")).toBe(20);
  await expectMessagesOfRows(rig, running.sent, await sweptMessages(rig, running.left));
});

// Goal: the announced messages are those of the committed attempt, even if a later one matched other rules.
// Method: the first statement is lost, and carried out after it was looked for; then the rules change.
test("after a late commit under older rules only its own matches are announced", async () => {
  await using rig = await openRig();
  await insertRule(rig.database, { ref: "demo.old", triggerRef: "demo.tick" });
  const late: Query[] = [];
  let isLost = false;
  const database: Queryable = {
    async query(asked) {
      if (asked.name?.startsWith("store_batch") === true && !isLost) {
        isLost = true;
        late.push(asked);
        throw new ConnectionError("cut", "unknown");
      }
      const result = await rig.database.query(asked);
      if (asked.name === "find_events" && late.length > 0) {
        for (const each of late.splice(0)) await rig.database.query(each);
        await query(rig.database, "update rule set enabled = false");
        await insertRule(rig.database, { ref: "demo.new", triggerRef: "demo.tick" });
      }
      return result;
    },
  };
  const rules = await openRuleSource({
    database: rig.database,
    intervalMs: 60_000,
    logger: silentLogger,
    clock: systemClock,
    random: () => 0,
  });
  await using running = await rig.start({ database, rules });

  const outcomes = await Promise.all(
    [1, 2, 3].map((n) => running.pipeline.accept(rig.tick({ payload: { n } }))),
  );

  expect(outcomes.map(({ kind }) => kind)).toEqual(["stored", "stored", "stored"]);
  expect(await query(rig.database, "select distinct rule_ref from enforcement")).toEqual([
    { rule_ref: "demo.old" },
  ]);
  await expectMessagesOfRows(rig, running.sent, await sweptMessages(rig, running.left));
});

// Goal: a commit that the server holds back, and then makes visible, is found and announced once.
// Method: synchronous_standby_names names a nonexistent standby, so that every commit waits, and is reset a while later.
test("commits that wait for a standby that does not exist are stored once, with one message each", async () => {
  await using server = await privatePostgres();
  const { url } = server;
  const database = await openPostgresql({ url, logger: silentLogger });
  await migrate(database, loadMigrations(), silentLogger);
  await using rig = await openRigOn({
    url,
    database,
    connect: () => Promise.reject(new Error("nobody connects by hand")),
    [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
  });
  await insertRule(rig.database, { ref: "demo.rule", triggerRef: "demo.tick" });
  await using impatient = await givingUp(url, 700);
  await using running = await rig.start({ database: impatient });
  await running.pipeline.accept(rig.tick({ payload: { n: 0 } }));

  const setStandby = (names: string): Promise<void> =>
    asSuperuser(async (client) => {
      await client.query(`alter system set synchronous_standby_names = '${names}'`);
      await client.query("select pg_reload_conf()");
    }, url);
  await setStandby("nobody");
  await using _waiting = await firstWaitingCommit(url);
  const accepted = Array.from({ length: 20 }, (_, n) =>
    running.pipeline.accept(rig.tick({ payload: { n: n + 1 } })),
  );
  await expect.poll(() => storingCount(rig.database), { timeout: 20_000 }).toBeGreaterThanOrEqual(2);
  await setStandby("");

  const outcomes = await Promise.all(accepted);
  expect(new Set(outcomes.map(({ kind }) => kind))).toEqual(new Set(["stored"]));
  expect(await rig.countOf("event")).toBe(21);
  await expectMessagesOfRows(rig, running.sent, await sweptMessages(rig, running.left));
}, 60_000);
