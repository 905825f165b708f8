/** Versions of rules, and the revisions of events: what the migration keep_rule_history states. */
import fc from "fast-check";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { rowsOf } from "../../src/database/statement.ts";
import { readVersionsOfRef } from "../../src/database/statements/rule-versions.ts";
import { RulesInForce } from "../../src/diagnosis/rules-in-force.ts";
import { rulesAt } from "../../src/model/rules/rules-at.ts";
import { freshDatabase, type FreshDatabase } from "../support/postgres.ts";

let fresh: FreshDatabase;

beforeAll(async () => {
  fresh = await freshDatabase();
});

afterAll(async () => {
  await fresh[Symbol.asyncDispose]();
});

beforeEach(async () => {
  await run("truncate rule cascade");
  await run("truncate rule_version");
});

async function run(...texts: readonly string[]): Promise<void> {
  await fresh.database.transaction(async (transaction) => {
    for (const text of texts) await transaction.query({ text });
  });
}

interface Version {
  readonly operation: string;
  readonly is_effective: boolean;
  readonly revision: string;
  readonly changed_by: string;
  readonly trigger_ref: string;
  readonly label: string | null;
  readonly conditions: string | null;
}

async function versions(ref = "r.one"): Promise<readonly Version[]> {
  const client = await fresh.connect();
  const { rows } = await client.query<Version>(
    `select operation, is_effective, revision::text, changed_by, trigger_ref, definition ->> 'label' as label,
            definition ->> 'conditions' as conditions
       from rule_version where rule_ref = $1 order by id`,
    [ref],
  );
  return rows;
}

async function revision(triggerRef = "t.one"): Promise<string | undefined> {
  const client = await fresh.connect();
  const { rows } = await client.query<{ value: string }>(
    "select value::text from trigger_revision where trigger_ref = $1",
    [triggerRef],
  );
  return rows[0]?.value;
}

const insert = "insert into rule (ref, action_ref, trigger_ref) values ('r.one', 'a', 't.one')";

test("each change has a version with the revision of its transaction, and who made it", async () => {
  await run(insert);
  const created = await revision();
  await run("select set_config('rule.changed_by', 'api:ada', true)", "update rule set conditions = '[1.50]'");
  const changed = await revision();
  await run("delete from rule");

  expect(await versions()).toMatchObject([
    { operation: "created", is_effective: true, revision: created, changed_by: "sql:attune" },
    { operation: "changed", revision: changed, changed_by: "api:ada", conditions: "[1.50]" },
    { operation: "deleted", revision: await revision(), changed_by: "sql:attune", conditions: null },
  ]);
});

test("several changes in one transaction are one version, and none if nothing is left of them", async () => {
  await run(insert, "update rule set label = 'a'", "update rule set conditions = '[1]'");
  await run(
    "update rule set label = 'b'",
    "update rule set conditions = '[2]'",
    "update rule set label = 'c'",
  );
  await run("update rule set label = 'd'", "update rule set label = 'c'");
  await run("update rule set conditions = '[3]'", "update rule set conditions = '[2]'");
  await run(insert.replace("r.one", "r.two"), "delete from rule where ref = 'r.two'");

  expect(await versions()).toMatchObject([
    { operation: "created", label: "a", conditions: "[1]" },
    { operation: "changed", label: "c", conditions: "[2]" },
  ]);
  expect(await versions("r.two")).toEqual([]);
});

test("a label, or a change of a disabled rule, raises no revision and is kept with the present one", async () => {
  await run(insert);
  const created = await revision();
  await run("update rule set label = 'a'");
  await run("update rule set enabled = false");
  const disabled = await revision();
  await run("update rule set conditions = '[2]'");
  await run(insert.replace("r.one", "r.two"));
  await run("update rule set label = 'b' where ref = 'r.one'");

  expect(await versions()).toMatchObject([
    { is_effective: true, revision: created },
    { is_effective: false, revision: created, label: "a" },
    { is_effective: true, revision: disabled },
    { is_effective: false, revision: disabled, conditions: "[2]" },
    { is_effective: false, revision: await revision(), label: "b" },
  ]);
});

test("constraints made immediate write the versions at once, and later changes after them", async () => {
  await run(insert);
  await run(
    "update rule set label = 'a'",
    "set constraints all immediate",
    "update rule set conditions = '[1]'",
    "update rule set label = 'b'",
  );

  expect(await versions()).toMatchObject([
    { label: "" },
    { is_effective: false, label: "a", conditions: null },
    { is_effective: true, label: "a", conditions: "[1]" },
    { is_effective: true, label: "b", conditions: "[1]" },
  ]);
});

test("a rule that moves keeps its versions; so do a rule that is made again, and all rules of a truncated table", async () => {
  await run(insert);
  await run("update rule set trigger_ref = 't.two'");
  await run("truncate rule cascade");
  await run(insert);

  expect(await versions()).toMatchObject([
    { operation: "created", trigger_ref: "t.one" },
    { operation: "changed", trigger_ref: "t.two", revision: expect.any(String) },
    { operation: "deleted", trigger_ref: "t.two" },
    { operation: "created", trigger_ref: "t.one" },
  ]);
});

test("nothing is left pending", async () => {
  await run(insert, "update rule set label = 'a'");
  await run("update rule set label = 'b'");

  const client = await fresh.connect();
  const { rows } = await client.query("select from rule_version_pending");
  expect(rows).toEqual([]);
});

const changes = [
  "insert into rule (ref, action_ref, trigger_ref, enabled) values ('r.one', 'a', 't.one', random() < 0.7) on conflict do nothing",
  "insert into rule (ref, action_ref, trigger_ref) values ('r.two', 'a', 't.two') on conflict do nothing",
  "update rule set conditions = to_jsonb(random()) where ref = 'r.one'",
  "update rule set enabled = not enabled",
  "update rule set label = random()::text",
  "update rule set trigger_ref = case trigger_ref when 't.one' then 't.two' else 't.one' end where ref = 'r.two'",
  "delete from rule where ref = 'r.one'",
];

// Goal: for whatever revision of its trigger an event carries, the history gives the enabled rules that there were.
// Method: after each of many random transactions, note the trigger's revision and its enabled rules; at the end, ask for
// each revision noted. The statement and the pure function must give the same.
test("the history gives the rules of every revision, in SQL and in memory", async () => {
  const step = fc.array(fc.constantFrom(...changes), { minLength: 1, maxLength: 3 });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
      await run("truncate rule cascade");
      await run("truncate rule_version");
      const client = await fresh.connect();
      const seen: { readonly revision: string; readonly at: Date; readonly rules: unknown }[] = [];
      for (const texts of steps) {
        await run(...texts);
        const { rows } = await client.query<{ revision: string; at: Date; rules: unknown }>(
          `select coalesce((select value from trigger_revision where trigger_ref = 't.one'), 0)::text as revision,
                  clock_timestamp() as at,
                  (select coalesce(jsonb_agg(jsonb_build_array(id::text, conditions) order by id), '[]')
                     from rule where trigger_ref = 't.one' and enabled) as rules`,
        );
        if (rows[0] !== undefined) seen.push(rows[0]);
      }
      await client.end();

      const rulesInForce = new RulesInForce({ versionsMax: 3, charactersMax: 1_000 });
      const all = [
        ...(await rowsOf(fresh.database, readVersionsOfRef, "r.one")),
        ...(await rowsOf(fresh.database, readVersionsOfRef, "r.two")),
      ];
      for (const { revision: known, at, rules } of seen) {
        const moment = { revision: known, at };
        const inMemory = rulesAt(all, "t.one", moment);
        const found = await rulesInForce.at(fresh.database, "t.one", moment);
        expect(found.map(({ prepared }) => prepared?.rule)).toEqual(inMemory);
        const enabled = inMemory.filter(({ isEnabled }) => isEnabled);
        expect(JSON.stringify(enabled.map(({ id, conditions }) => [id, conditions]))).toEqual(
          JSON.stringify(rules),
        );
      }
    }),
    { numRuns: 8 },
  );
});
