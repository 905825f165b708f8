/** Versions of rules that are kept compiled. */
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { Queryable } from "../../src/database/database.ts";
import { RulesInForce } from "../../src/diagnosis/rules-in-force.ts";
import { insertRule, insertTrigger, query } from "../support/platform-rows.ts";
import { freshDatabase, type FreshDatabase } from "../support/postgres.ts";

let fresh: FreshDatabase;
const asked: string[] = [];
const rows: Queryable = {
  query: (statement) => {
    asked.push(statement.name ?? "");
    return fresh.database.query(statement);
  },
};

beforeAll(async () => {
  fresh = await freshDatabase();
  await insertTrigger(fresh.database, "kept.t");
  for (const name of ["a", "b", "c"])
    await insertRule(fresh.database, { ref: `kept.${name}`, triggerRef: "kept.t" });
});

afterAll(async () => {
  await fresh[Symbol.asyncDispose]();
});

beforeEach(() => {
  asked.length = 0;
});

async function refsIn(rulesInForce: RulesInForce): Promise<readonly (string | undefined)[]> {
  const [revision] = await query<{ value: string }>(
    fresh.database,
    "select value::text as value from trigger_revision where trigger_ref = 'kept.t'",
  );
  const moment = { revision: revision?.value ?? null, at: new Date() };
  const found = await rulesInForce.at(rows, "kept.t", moment);
  return found.map(({ prepared }) => prepared?.rule.ref);
}

function readCount(): number {
  return asked.filter((name) => name === "read_versions_by_id").length;
}

test("a version is read once, and a changed rule is read again", async () => {
  const rulesInForce = new RulesInForce();
  expect(await refsIn(rulesInForce)).toEqual(["kept.a", "kept.b", "kept.c"]);
  expect(await refsIn(rulesInForce)).toEqual(["kept.a", "kept.b", "kept.c"]);
  expect(readCount()).toBe(1);

  await query(fresh.database, "update rule set conditions = '[]' where ref = 'kept.b'");
  expect(await refsIn(rulesInForce)).toEqual(["kept.a", "kept.b", "kept.c"]);
  expect(readCount()).toBe(2);
  expect(rulesInForce.keptCount).toBe(4);
});

test("an id that means another version after a restore is read again", async () => {
  const rulesInForce = new RulesInForce();
  await refsIn(rulesInForce);
  await query(
    fresh.database,
    `update rule_version
        set definition = jsonb_set(definition, '{ref}', '"kept.restored"'), changed_at = changed_at - interval '1 s'
      where id = (select max(id) from rule_version where rule_ref = 'kept.c')`,
  );
  expect(await refsIn(rulesInForce)).toEqual(["kept.a", "kept.b", "kept.restored"]);
});

test("no more are kept than fit, the answer is whole all the same", async () => {
  const few = new RulesInForce({ versionsMax: 2, charactersMax: 1_000_000 });
  expect(await refsIn(few)).toHaveLength(3);
  expect(few.keptCount).toBe(2);
  const short = new RulesInForce({ versionsMax: 100, charactersMax: 10 });
  expect(await refsIn(short)).toHaveLength(3);
  expect(short.keptCount).toBe(0);
});
