/**
 * What the database says about changed rules, to the broker (outbox) and to sensors connected to an agent (rule_message):
 * the table at the head of migrations/20261128000013, line by line.
 */
import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Database, Queryable } from "../../src/database/database.ts";
import { openEmbedded } from "../../src/database/embedded/embedded.ts";
import { loadMigrations } from "../../src/database/migrations/bundled-migrations.ts";
import { migrate } from "../../src/database/migrations/migrate.ts";
import { Row, rowsOf } from "../../src/database/statement.ts";
import { readRuleMessages } from "../../src/database/statements/rule-messages.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { freshDatabase } from "../support/postgres.ts";

const soon = { timeout: 10_000, interval: 10 };

interface Case {
  readonly change: string;
  readonly from?: string;
  readonly says: readonly string[];
}

/** Written as routing key, trigger, parameter and whether the rule is active. */
const created = "insert into rule (ref, action_ref, trigger_ref, trigger_params, enabled) values";
const enabled = `${created} ('p.r', 'a', 'core.x', '{"n": 1}', true)`;
const disabled = `${created} ('p.r', 'a', 'core.x', '{"n": 1}', false)`;
const cases: Readonly<Record<string, Case>> = {
  "created enabled": { change: enabled, says: ["rule.created core.x 1 active"] },
  "created disabled": { change: disabled, says: ["rule.created core.x 1"] },
  enabled: {
    from: disabled,
    change: "update rule set enabled = true",
    says: ["rule.enabled core.x 1 active"],
  },
  disabled: { from: enabled, change: "update rule set enabled = false", says: ["rule.disabled core.x 1"] },
  "new parameters": {
    from: enabled,
    change: `update rule set trigger_params = '{"n": 2}'`,
    says: ["rule.enabled core.x 2 active", "rule.updated core.x 2 active"],
  },
  "new parameters while disabled": {
    from: disabled,
    change: `update rule set trigger_params = '{"n": 2}'`,
    says: ["rule.updated core.x 2"],
  },
  "enabled with new parameters": {
    from: disabled,
    change: `update rule set enabled = true, trigger_params = '{"n": 2}'`,
    says: ["rule.enabled core.x 2 active"],
  },
  "changed otherwise": {
    from: enabled,
    change: "update rule set label = 'New'",
    says: ["rule.updated core.x 1 active"],
  },
  "changed otherwise while disabled": {
    from: disabled,
    change: "update rule set label = 'New'",
    says: ["rule.updated core.x 1"],
  },
  "updated without a change": {
    from: enabled,
    change: "update rule set label = label, updated = now()",
    says: [],
  },
  moved: {
    from: enabled,
    change: "update rule set trigger_ref = 'core.y'",
    says: ["rule.disabled core.x 1", "rule.enabled core.y 1 active"],
  },
  "moved with new parameters": {
    from: enabled,
    change: `update rule set trigger_ref = 'core.y', trigger_params = '{"n": 2}'`,
    says: ["rule.disabled core.x 1", "rule.enabled core.y 2 active"],
  },
  "moved and changed otherwise": {
    from: enabled,
    change: "update rule set trigger_ref = 'core.y', label = 'New'",
    says: ["rule.disabled core.x 1", "rule.enabled core.y 1 active", "rule.updated core.y 1 active"],
  },
  "moved and disabled": {
    from: enabled,
    change: "update rule set trigger_ref = 'core.y', enabled = false",
    says: ["rule.disabled core.x 1", "rule.updated core.y 1"],
  },
  "moved and enabled": {
    from: disabled,
    change: "update rule set trigger_ref = 'core.y', enabled = true",
    says: ["rule.enabled core.y 1 active"],
  },
  "moved while disabled": {
    from: disabled,
    change: "update rule set trigger_ref = 'core.y'",
    says: ["rule.updated core.y 1"],
  },
  "moved to a disabled trigger": {
    from: enabled,
    change: "update rule set trigger_ref = 'core.off'",
    says: ["rule.disabled core.x 1", "rule.updated core.off 1"],
  },
  deleted: { from: enabled, change: "delete from rule", says: ["rule.deleted core.x 1"] },
  "deleted while disabled": { from: disabled, change: "delete from rule", says: ["rule.deleted core.x 1"] },
  truncated: { from: enabled, change: "truncate rule cascade", says: ["rule.deleted core.x 1"] },
  "parameters that are no object": {
    from: disabled,
    change: "update rule set trigger_params = '[1]'",
    says: ["rule.updated core.x undefined"],
  },
  "created on a disabled trigger": {
    change: `${created} ('p.r', 'a', 'core.off', '{"n": 1}', true)`,
    says: ["rule.created core.off 1"],
  },
  "enabled on a disabled trigger": {
    from: `${created} ('p.r', 'a', 'core.off', '{"n": 1}', false)`,
    change: "update rule set enabled = true",
    says: ["rule.updated core.off 1"],
  },
  "its trigger is enabled": {
    from: `${created} ('p.r', 'a', 'core.off', '{"n": 1}', true), ('p.off', 'a', 'core.off', '{"n": 2}', false)`,
    change: "update trigger set enabled = true where ref = 'core.off'",
    says: ["rule.enabled core.off 1 active"],
  },
  "its trigger is disabled": {
    from: `${enabled}, ('p.off', 'a', 'core.x', '{"n": 2}', false)`,
    change: "update trigger set enabled = false",
    says: ["rule.disabled core.x 1"],
  },
  "its trigger is changed otherwise": {
    from: enabled,
    change: "update trigger set label = 'New', enabled = enabled",
    says: [],
  },
  "its disabled trigger is removed": {
    from: `${created} ('p.r', 'a', 'core.off', '{"n": 1}', true)`,
    change: "delete from trigger where ref = 'core.off'",
    says: ["rule.enabled core.off 1 active"],
  },
  "a disabled trigger takes its trigger's place": {
    from: enabled,
    change:
      "delete from trigger where ref = 'core.x'; update trigger set ref = 'core.x' where ref = 'core.off'",
    says: ["rule.disabled core.x 1"],
  },
};

describe("messages about a rule", () => {
  let fresh: Awaited<ReturnType<typeof platform>>;
  beforeAll(async () => {
    fresh = await platform();
  });
  afterAll(() => fresh[Symbol.asyncDispose]());

  test.each(Object.entries(cases))("%s", async (_what, { from, change, says }) => {
    const undo = new Error("leave the database as it was");

    const told = fresh.database.transaction(async (transaction) => {
      if (from !== undefined) await transaction.query({ text: from });
      await transaction.query({
        text: "truncate outbox, rule_message; set constraints all immediate; set constraints all deferred",
      });

      await transaction.query({ text: change });

      expect(await toldToSensors(transaction)).toEqual(says);
      expect(await owedToBroker(transaction)).toEqual(says);
      throw undo;
    });

    await expect(told).rejects.toBe(undo);
  });
});

test("a message owed to the broker has all of its payload, and the others of one change follow it by number", async () => {
  await using fresh = await platform();
  const { database } = fresh;
  await database.query({ text: enabled });
  await database.query({
    text: "update rule set trigger = trigger.id from trigger where trigger.ref = 'core.x'",
  });
  await database.query({ text: "truncate outbox, rule_message" });

  await database.query({ text: `update rule set trigger_params = '{"n": 2}'` });

  const { rows } = await database.query({
    text: "select routing_key, event, enforcement, instance, body from outbox order by message_id",
  });
  const common = { event: null, enforcement: null, instance: null };
  const payload = {
    rule_id: 1,
    rule_ref: "p.r",
    trigger_id: expect.any(Number),
    trigger_ref: "core.x",
    trigger_params: { n: 2 },
    enabled: true,
  };
  const timestamp = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  expect(rows).toEqual([
    {
      ...common,
      routing_key: "rule.enabled",
      body: { message_type: "RuleEnabled", timestamp, payload },
    },
    {
      ...common,
      routing_key: "rule.updated",
      body: { message_type: "RuleUpdated", timestamp, payload },
    },
  ]);
});

test("messages of one rule have the order of its changes, also from several sessions", async () => {
  await using fresh = await platform();
  const { database } = fresh;
  await database.query({ text: enabled });
  await database.query({ text: "truncate outbox, rule_message" });
  const first = await fresh.connect();
  const second = await fresh.connect();

  await first.query("begin");
  await first.query("update rule set enabled = false");
  // Waits for the row.
  const later = second.query("update rule set enabled = true");
  await expect.poll(() => isAnyoneWaiting(database), soon).toBe(true);
  await first.query(`update rule set label = 'New'`);
  await first.query("commit");
  await later;

  const says = ["rule.disabled core.x 1", "rule.updated core.x 1", "rule.enabled core.x 1 active"];
  expect(await toldToSensors(database)).toEqual(says);
  expect(await owedToBroker(database)).toEqual(says);
});

// Goal: sensors are never left with an active rule of a disabled trigger.
// Method: two open transactions, one enables the rule and one disables its trigger; whichever comes first, the last word
// is that the rule is not active.
test.each([{ first: "rule" }, { first: "trigger" }])(
  "a rule enabled while its trigger is disabled is not active in the end, $first first",
  async ({ first }) => {
    await using fresh = await platform();
    const { database } = fresh;
    await database.query({ text: disabled });
    await database.query({ text: "truncate outbox, rule_message" });
    const rule = await fresh.connect();
    const trigger = await fresh.connect();
    const enable = "update rule set enabled = true";
    const disable = "update trigger set enabled = false where ref = 'core.x'";
    const [one, other] = first === "rule" ? [rule, trigger] : [trigger, rule];

    await one.query("begin");
    await one.query(first === "rule" ? enable : disable);
    const waiting = other.query(first === "rule" ? disable : enable);
    await expect.poll(() => isAnyoneWaiting(database), soon).toBe(true);
    await one.query("commit");
    await waiting;

    expect(await toldToSensors(database)).toEqual(
      first === "rule"
        ? ["rule.enabled core.x 1 active", "rule.disabled core.x 1"]
        : ["rule.updated core.x 1"],
    );
  },
);

test("rules that a trigger has lost are remembered, until it has them again", async () => {
  await using fresh = await platform();
  const { database } = fresh;
  await database.query({ text: `${enabled}, ('p.moved', 'a', 'core.x', '{}', true)` });

  await database.query({ text: "update rule set trigger_ref = 'core.y' where ref = 'p.moved'" });
  await database.query({ text: "delete from rule where ref = 'p.r'" });
  expect(await tombstones(database)).toEqual(["core.x p.moved moved", "core.x p.r deleted"]);

  await database.query({ text: "update rule set trigger_ref = 'core.x'" });
  expect(await tombstones(database)).toEqual(["core.x p.r deleted", "core.y p.moved moved"]);

  await database.query({ text: "truncate rule cascade" });
  expect(await tombstones(database)).toEqual([
    "core.x p.moved deleted",
    "core.x p.r deleted",
    "core.y p.moved moved",
  ]);
});

test("what is old is forgotten at the next change, the newest messages are kept in any case", async () => {
  await using fresh = await platform();
  const { database } = fresh;
  await database.query({
    text: `
      insert into rule_tombstone (rule, trigger_ref, rule_ref, is_deleted, since)
      values (100, 'core.x', 'old', true, now() - interval '8 days'), (101, 'core.x', 'new', true, now());
      insert into rule_message (number, routing_key, rule, rule_ref, trigger_ref, trigger_params, active, created)
      select number, 'rule.updated', 1, 'p.r', 'core.x', '{}', true, now() - age
        from (values (1, interval '2 hours'), (2, interval '1 minute'), (9000, interval '2 hours')) as old (number, age);
      select setval('rule_message_seq', 10500)`,
  });

  await database.query({ text: enabled });

  expect(await tombstones(database)).toEqual(["core.x new deleted"]);
  const { rows } = await database.query({ text: "select number::int from rule_message order by number" });
  expect(rows).toEqual([{ number: 2 }, { number: 9000 }, { number: 10501 }]);
});

// Goal: after very many rules were created or deleted, one more change costs what it always costs.
// Method: count the rows that a transaction reads, in one that changes a rule.
test("a change does not read what the last hour has left", async () => {
  await using fresh = await platform();
  const { database } = fresh;
  await database.query({
    text: `
      insert into rule_message (number, routing_key, rule, rule_ref, trigger_ref, trigger_params, active)
      select n, 'rule.created', 1, 'p.r', 'core.x', '{}', true from generate_series(1, 20000) as n;
      insert into rule_tombstone (rule, trigger_ref, rule_ref, is_deleted)
      select 1000000 + n, 'core.x', 'r' || n, true from generate_series(1, 10000) as n;
      select setval('rule_message_seq', 20000)`,
  });
  await database.query({ text: enabled });

  const read = await database.transaction(async (transaction) => {
    await transaction.query({ text: "update rule set label = 'changed'" });
    const { rows } = await transaction.query({
      text: `select sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0))::int as read
               from pg_stat_xact_user_tables
              where relname in ('rule_message', 'rule_tombstone')`,
    });
    return rows;
  });

  expect(read).toEqual([{ read: expect.toSatisfy((rows: number) => rows < 100) }]);
});

test("of rules that were deleted the newest ten thousand are remembered", async () => {
  await using fresh = await platform();
  const { database } = fresh;
  await database.query({
    text: `insert into rule_tombstone (rule, trigger_ref, rule_ref, is_deleted, since)
           select 1000000 + n, 'core.x', 'r' || n, true, now() - n * interval '1 second' from generate_series(1, 10005) as n`,
  });

  await database.query({ text: enabled });
  // Rules that move are remembered, too.
  await database.query({ text: "update rule set trigger_ref = 'core.y'" });
  expect(await keptTombstones(database)).toEqual({ kept: 10_001, oldest: 10_000 });
  await database.query({ text: "delete from rule" });

  expect(await keptTombstones(database)).toEqual({ kept: 10_001, oldest: 9_999 });
});

test(
  "the embedded database says the same, and finds what was said since a snapshot",
  { timeout: 90_000 },
  async () => {
    await using directory = await mkdtempDisposable(join(tmpdir(), "attune-embedded-"));
    await using database = await openEmbedded({ dataDirectory: directory.path, logger: silentLogger });
    await migrate(database, loadMigrations(), silentLogger);
    await database.query({ text: enabled });
    const page = { since: undefined, upTo: undefined, after: "0", countMax: 10, stateOf: ["core.x"] };

    const first = await rowsOf(database, readRuleMessages, page);
    const [seen] = first;
    expect(first.map(({ kind }) => kind)).toEqual(["snapshot", "state"]);
    await database.query({ text: `update rule set trigger_params = '{"n": 2}'` });
    await database.query({ text: "delete from rule" });
    const since = seen?.kind === "snapshot" ? seen.seen : undefined;
    const second = await rowsOf(database, readRuleMessages, { ...page, since });

    const says = ["rule.enabled core.x 2 active", "rule.updated core.x 2 active", "rule.deleted core.x 2"];
    expect(await owedToBroker(database)).toEqual(["rule.created core.x 1 active", ...says]);
    expect(second.flatMap((row) => (row.kind === "message" ? [row.news.routingKey] : []))).toEqual(
      says.map((text) => text.split(" ")[0]),
    );
    expect(second.at(-1)).toMatchObject({ kind: "state", news: { routingKey: "rule.deleted" } });
  },
);

async function platform(): ReturnType<typeof freshDatabase> {
  const fresh = await freshDatabase();
  await fresh.database.query({
    text: `insert into trigger (ref, enabled) values ('core.x', true), ('core.y', true), ('core.off', false)`,
  });
  return fresh;
}

async function toldToSensors(database: Queryable): Promise<string[]> {
  const { rows } = await database.query({
    text: "select routing_key, trigger_ref, trigger_params, active from rule_message order by number",
  });
  return rows.map((row) => {
    const { routing_key, trigger_ref, trigger_params, active } = Object(row);
    return written(routing_key, trigger_ref, trigger_params.n, active);
  });
}

async function owedToBroker(database: Queryable): Promise<string[]> {
  const { rows } = await database.query({
    text: "select routing_key, body from outbox order by message_id",
  });
  return rows.map((row) => {
    const { routing_key, body } = Object(row);
    const { trigger_ref, trigger_params, enabled: active } = body.payload;
    return written(routing_key, trigger_ref, trigger_params.n, active);
  });
}

function written(key: string, triggerRef: string, parameter: unknown, isActive: boolean): string {
  return `${key} ${triggerRef} ${String(parameter)}${isActive ? " active" : ""}`;
}

async function keptTombstones(database: Database): Promise<object | undefined> {
  const { rows } = await database.query({
    text: "select count(*)::int as kept, max(rule)::int - 1000000 as oldest from rule_tombstone",
  });
  return rows[0];
}

async function tombstones(database: Queryable): Promise<string[]> {
  const { rows } = await database.query({
    text: `select trigger_ref || ' ' || rule_ref || case when is_deleted then ' deleted' else ' moved' end as stone
             from rule_tombstone
            order by 1`,
  });
  return rows.map((row) => new Row("tombstones", row).text("stone"));
}

async function isAnyoneWaiting(database: Database): Promise<boolean> {
  const { rows } = await database.query({
    text: "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
  });
  return rows.length > 0;
}
