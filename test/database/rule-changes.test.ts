/** The log of changes of rules and triggers, and the locks of triggers: what the migration log_rule_changes states. */
import fc from "fast-check";
import type { Client } from "pg";
import { afterEach, beforeEach, expect, test } from "vitest";
import { rowsOf } from "../../src/database/statement.ts";
import { readRuleChanges, readRulePage, readTriggers } from "../../src/database/statements/rules.ts";
import { freshDatabase, type FreshDatabase } from "../support/postgres.ts";

let fresh: FreshDatabase;

beforeEach(async () => {
  fresh = await freshDatabase();
});

afterEach(async () => {
  await fresh[Symbol.asyncDispose]();
});

interface Known {
  readonly revision: string;
  readonly rules: ReadonlyMap<string, string>;
  readonly triggers: ReadonlyMap<string, string>;
  readonly triggerRevisions: ReadonlyMap<string, string>;
}

async function readAll(): Promise<Known> {
  const start = await rowsOf(fresh.database, readTriggers, undefined);
  const pages = await rowsOf(fresh.database, readRulePage, { after: "0", rulesMax: 10_000 });
  const triggers = start.filter((row) => row.kind === "trigger");
  return {
    revision: start.find((row) => row.kind === "revision")?.revision ?? "",
    rules: new Map(pages.map(({ id, text = "" }) => [id, text])),
    triggers: new Map(triggers.flatMap(({ ref, text }) => (text === undefined ? [] : [[ref, text]]))),
    triggerRevisions: new Map(triggers.map(({ ref, revision }) => [ref, revision])),
  };
}

async function readSince(known: Known, rulesMax = 1_000): Promise<Known | "unknown"> {
  const rows = await rowsOf(fresh.database, readRuleChanges, { since: known.revision, rulesMax });
  const newest = rows.find((row) => row.kind === "revision");
  if (newest === undefined || !newest.isKnown || !newest.isComplete) return "unknown";
  const [rules, triggers] = [new Map(known.rules), new Map(known.triggers)];
  const triggerRevisions = new Map(known.triggerRevisions);
  for (const row of rows) {
    if (row.kind === "revision") continue;
    const [map, key] = row.kind === "rule" ? ([rules, row.id] as const) : ([triggers, row.ref] as const);
    if (row.kind === "trigger") triggerRevisions.set(row.ref, row.revision);
    if (row.text === undefined) map.delete(key);
    else map.set(key, row.text);
  }
  return { revision: newest.revision, rules, triggers, triggerRevisions };
}

/** @throws if the changes are not remembered */
async function readOn(known: Known): Promise<Known> {
  const next = await readSince(known);
  if (next === "unknown") throw new Error(`revision ${known.revision} is unknown`);
  return next;
}

const changes = [
  "insert into rule (ref, action_ref, trigger_ref, enabled) values ('r.' || nextval('rule_id_seq'), 'a', 't.one', random() < 0.8)",
  "update rule set conditions = to_jsonb(random()) where id % 3 = floor(random() * 3)",
  "update rule set enabled = not enabled where id % 4 = floor(random() * 4)",
  "update rule set trigger_ref = case trigger_ref when 't.one' then 't.two' else 't.one' end where id % 5 = 0",
  "update rule set label = random()::text",
  "delete from rule where id % 7 = floor(random() * 7)",
  "insert into trigger (ref) values ('t.one'), ('t.two') on conflict do nothing",
  "update trigger set enabled = not enabled where ref = 't.one'",
  "update trigger set label = random()::text where ref = 't.two'",
  "update trigger set ref = case ref when 't.two' then 't.three' else 't.two' end where ref in ('t.two', 't.three') and (select count(*) from trigger where ref in ('t.two', 't.three')) = 1",
  "delete from trigger where ref = 't.one'",
  "set constraints all immediate",
  "savepoint s",
  "rollback to s",
];

// Goal: who reads what has changed since each revision knows what a full reading knows, whatever commits when.
// Method: two transactions with random changes, whose statements alternate; they commit, roll back or stay open while a
// reader reads on after each step.
test("reading on from any revision gives what reading everything gives", async () => {
  const step = fc.record({
    session: fc.constantFrom(0, 1),
    deed: fc.oneof(
      { weight: 4, arbitrary: fc.constantFrom(...changes) },
      { weight: 2, arbitrary: fc.constantFrom("commit", "rollback", "truncate") },
    ),
  });
  const sessions = [await fresh.connect(), await fresh.connect()];
  for (const session of sessions) await session.query("set lock_timeout = '20ms'");
  let known = await readAll();

  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
      const isOpen = [false, false];
      const end = async (number: number, how: string): Promise<void> => {
        await sessions[number]?.query(how).catch(() => sessions[number]?.query("rollback"));
        isOpen[number] = false;
      };
      for (const { session, deed } of steps) {
        const client = sessions[session];
        if (deed === "truncate") {
          // Its lock is in the reader's way, so it is no part of a longer transaction.
          if (!isOpen[0] && !isOpen[1]) await client?.query("truncate rule cascade");
        } else if (deed === "commit" || deed === "rollback") {
          if (isOpen[session]) await end(session, deed);
        } else {
          if (!isOpen[session]) await client?.query("begin; savepoint s");
          isOpen[session] = true;
          // What the other session has locked.
          await client?.query(deed).catch(() => end(session, "rollback"));
        }
        known = await readOn(known);
      }
      await end(0, "commit");
      await end(1, "commit");

      known = await readOn(known);
      expect(known).toEqual(await readAll());
    }),
    { numRuns: 30 },
  );
  expect((await fresh.database.query({ text: "select from rule_change_pending" })).rows).toEqual([]);
}, 60_000);

test("a transaction that commits later than a newer one is read all the same", async () => {
  const [late, early] = [await fresh.connect(), await fresh.connect()];
  await fresh.database.query({ text: "truncate rule cascade" });
  const known = await readAll();
  await late.query(
    "begin; insert into rule (id, ref, action_ref, trigger_ref) values (9001, 'r.late', 'a', 't.late')",
  );
  await early.query(
    "insert into rule (id, ref, action_ref, trigger_ref) values (9002, 'r.early', 'a', 't.early')",
  );

  const first = await readOn(known);
  await late.query("commit");
  const second = await readOn(first);

  expect([...first.rules.keys()]).toEqual(["9002"]);
  expect([...second.rules.keys()].toSorted()).toEqual(["9001", "9002"]);
});

// Goal: after a dump was restored into another server, whose transactions have lower numbers, no change is missed.
// Method: a transaction finds its own number as that of the transaction that raised the revision last.
test("a transaction with the number of an earlier one raises the revision once, and again after a rollback to a savepoint", async () => {
  const client = await fresh.connect();
  await client.query("insert into trigger (ref) values ('t')");
  await client.query("insert into rule (ref, trigger_ref, action_ref) values ('r', 't', 'a')");
  const known = await readAll();

  await client.query("begin");
  await client.query("update rule_revision set raised_by = pg_current_xact_id()");
  await client.query("set constraints all immediate");
  await client.query("savepoint before");
  await client.query("update rule set action_ref = 'never'");
  await client.query("rollback to before");
  await client.query("update rule set action_ref = 'b'");
  await client.query("update rule set action_ref = 'c'");
  await client.query("commit");

  expect(await readOn(known)).toEqual(await readAll());
  const { rows } = await client.query("select from rule_commit where revision > $1", [known.revision]);
  expect(rows).toHaveLength(1);
});

test("changes that are too many, forgotten or another database's are not known, and nothing is returned for them", async () => {
  const { database } = fresh;
  await database.query({ text: "truncate rule cascade" });
  const before = await readAll();
  await database.query({
    text: "insert into rule (ref, action_ref, trigger_ref) select 'r.' || n, 'a', 't' from generate_series(1, 11) as n",
  });
  const after = await readAll();

  expect(await readSince(before, 10)).toBe("unknown");
  expect(await readSince(before, 11)).toEqual(after);
  expect(await readSince({ ...before, revision: `${BigInt(before.revision) + 1n}` })).toBe("unknown");
  expect(await readSince({ ...before, revision: `${BigInt(after.revision) + 1_000n}` })).toBe("unknown");
  expect(await readSince({ ...before, revision: "0" })).toBe("unknown");

  // As if it had been more than an hour ago.
  await database.query({ text: `update rule_commit set revision = revision - 7200000000` });
  await database.query({ text: `update rule_revision set known_from = 1, value = value - 7200000000` });
  await database.query({ text: "update rule set enabled = false where ref = 'r.1'" });
  await database.query({ text: "update rule set enabled = true where ref = 'r.1'" });

  expect(await readSince(before)).toBe("unknown");
  const rows = await database.query({ text: "select distinct xid from rule_change" });
  expect(rows.rows).toHaveLength(2);
});

async function isWaiting(client: Client & { processID?: number }): Promise<boolean> {
  const { rows } = await fresh.database.query({
    text: "select from pg_stat_activity where pid = $1 and wait_event_type = 'Lock'",
    values: [client.processID],
  });
  return rows.length === 1;
}

// The lock_timeout of a batch, so that one that would wait fails.
const impatient = "set lock_timeout = '1s'";

// Goal: an event is stored either before a change of its trigger's rules is visible, or under them.
// Method: hold each of the two between its locks and its commit, and look at the other.
test.each([
  ["are_rules_current", "select are_rules_current($1::jsonb) as current"],
  [
    "is_rule_current",
    "select is_rule_current(key, value::bigint) as current from jsonb_each_text($1::jsonb)",
  ],
])(
  "a batch and a change of its trigger wait for each other, and the batch sees the change (%s)",
  async (name, text) => {
    const [batch, editor, other] = [await fresh.connect(), await fresh.connect(), await fresh.connect()];
    await other.query(impatient);
    await editor.query("insert into trigger (ref) values ('t.a'), ('t.b') on conflict do nothing");
    const revision = async (): Promise<string> => (await readAll()).triggerRevisions.get("t.a") ?? "";
    const areCurrent = async (client: Client, known: object): Promise<unknown> => {
      const { rows } = await client.query(text, [JSON.stringify(known)]);
      return rows[0]?.current;
    };
    const known = { "t.a": await revision() };

    await batch.query("begin");
    expect(await areCurrent(batch, known)).toBe(true);
    await editor.query(
      `begin; insert into rule (ref, action_ref, trigger_ref) values ('r.${name}', 'a', 't.a')`,
    );
    // An open transaction over a rule is in nobody's way.
    expect(await areCurrent(other, known)).toBe(true);
    const commit = editor.query("commit");
    await expect.poll(() => isWaiting(editor), { timeout: 10_000 }).toBe(true);
    expect(await revision()).toBe(known["t.a"]);
    const otherTrigger = await readAll();
    expect(await areCurrent(other, { "t.b": otherTrigger.triggerRevisions.get("t.b") })).toBe(true);
    await batch.query("commit");
    await commit;
    expect(await areCurrent(batch, known)).toBe(false);

    const newer = { "t.a": await revision() };
    await editor.query(
      `begin; update rule set conditions = '[]' where ref = 'r.${name}'; set constraints all immediate`,
    );
    const answer = areCurrent(batch, newer);
    await expect.poll(() => isWaiting(batch), { timeout: 10_000 }).toBe(true);
    await editor.query("commit");
    expect(await answer).toBe(false);
  },
);

test("a batch with events of any number of triggers holds at most 64 locks", async () => {
  const batch = await fresh.connect();
  const known = Object.fromEntries(Array.from({ length: 5_000 }, (_, n) => [`many.${n}`, "0"]));
  await batch.query("begin");

  const { rows } = await batch.query("select are_rules_current($1) as current", [known]);
  const locks = await batch.query(
    "select count(*)::int as count from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()",
  );
  await batch.query("commit");

  expect(rows).toEqual([{ current: true }]);
  expect(locks.rows).toEqual([{ count: 64 }]);
});
