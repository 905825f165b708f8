/**
 * The database triggers that tell running agents of changed definitions: the rule revision, the ids of
 * messages about rules, the notifications, and the immutability of events.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Database, Queryable } from "../../src/database/database.ts";
import { Row } from "../../src/database/statement.ts";
import { messageId } from "../../src/model/identifiers.ts";
import { freshDatabase } from "../support/postgres.ts";

const insertRule = "insert into rule (ref, action_ref, trigger_ref, trigger_params, trigger) values";

test.each([
  { change: `${insertRule} ('r', 'a', 't', '{}', null)` },
  { change: "update rule set conditions = '[]' where ref = 'kept'" },
  { change: "update rule set enabled = not enabled where ref = 'kept'" },
  { change: "delete from rule where ref = 'kept'" },
  { change: "truncate rule cascade" },
  { change: "update trigger set enabled = false where ref = 'core.kept'" },
])("the revision rises with: $change", async ({ change }) => {
  await using fresh = await freshDatabase();
  await fresh.database.query({
    text: `${insertRule} ('kept', 'a', 't', '{}', null); insert into trigger (ref) values ('core.kept')`,
  });
  const before = await revision(fresh.database);

  await fresh.database.query({ text: change });

  expect(await revision(fresh.database)).toBeGreaterThan(before);
});

test("the revision rises once per transaction, however many rows it changes", async () => {
  await using fresh = await freshDatabase();

  await fresh.database.transaction(async (transaction) => {
    await transaction.query({ text: "set constraints all immediate" });
    await transaction.query({ text: `${insertRule} ('one', 'a', 't', '{}', null)` });
    const raised = await revision(transaction);
    await transaction.query({ text: `${insertRule} ('two', 'a', 't', '{}', null)` });
    await transaction.query({ text: "insert into trigger (ref) values ('core.one')" });
    await transaction.query({ text: "update rule set enabled = false" });
    expect(await revision(transaction)).toBe(raised);
  });
});

// Agents that kept running know the rules of a revision that the database has lost.
test("after a restore no revision is used again", async () => {
  await using fresh = await freshDatabase();
  const before = await revision(fresh.database);
  await fresh.database.query({ text: `${insertRule} ('one', 'a', 't', '{}', null)` });
  const forgotten = await revision(fresh.database);

  await fresh.database.query({ text: `update rule_revision set value = ${before}, raised_by = null` });
  await fresh.database.query({ text: `${insertRule} ('two', 'a', 't', '{}', null)` });

  expect(await revision(fresh.database)).toBeGreaterThan(forgotten);
});

test("the revision rises although the clock is behind", async () => {
  await using fresh = await freshDatabase();
  const ahead = BigInt(Date.now() + 86_400_000) * 1_000n;
  await fresh.database.query({ text: `update rule_revision set value = ${ahead}` });

  await fresh.database.query({ text: `${insertRule} ('one', 'a', 't', '{}', null)` });

  expect(await revision(fresh.database)).toBe(ahead + 1n);
});

test("the revision does not rise with a transaction that is rolled back, nor with a change of nothing", async () => {
  await using fresh = await freshDatabase();
  const before = await revision(fresh.database);

  const rolledBack = fresh.database.transaction(async (transaction) => {
    await transaction.query({ text: `${insertRule} ('one', 'a', 't', '{}', null)` });
    throw new Error("changed my mind");
  });
  await expect(rolledBack).rejects.toThrow("changed my mind");
  await fresh.database.query({ text: "update rule set enabled = false where ref = 'nobody'" });

  expect(await revision(fresh.database)).toBe(before);
});

test("the message's id is the one messageId builds, for numbers of any size", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  const { rows } = await database.query({ text: "select id::text as id from installation" });
  const installationId = new Row("installation", Object(rows[0])).text("id");
  const edges = [1n, 2n ** 48n - 1n, 2n ** 48n, 2n ** 53n + 1n, 2n ** 62n - 1n].map(
    (number) => [number] as [bigint],
  );

  await fc.assert(
    fc.asyncProperty(fc.bigInt({ min: 1n, max: 2n ** 62n - 1n }), async (number) => {
      const owed = await database.transaction(async (transaction) => {
        await transaction.query({ text: "delete from outbox" });
        await transaction.query({ text: "select setval('rule_message_seq', $1, false)", values: [number] });
        await transaction.query({ text: `${insertRule} ('r', 'a', 't', '{}', null)` });
        const { rows: messages } = await transaction.query({
          text: "select message_id::text as id from outbox",
        });
        await transaction.query({ text: "delete from rule" });
        return messages;
      });

      expect(owed).toEqual([{ id: messageId(installationId, "ruleChange", String(number)) }]);
    }),
    { examples: edges, numRuns: 40 },
  );
});

test("each table of definitions announces its changes by its name", async () => {
  await using fresh = await freshDatabase();
  const heard = new Set<string | undefined>();
  await fresh.database.listen("attune_change", (payload) => heard.add(payload));
  heard.clear();

  await fresh.database.query({
    text: `
      insert into runtime (ref, runtime_type, name) values ('x', 'sensor', 'X');
      insert into trigger (ref) values ('t');
      insert into sensor (ref, runtime_ref, trigger_ref) values ('s', 'x', 't');
      insert into sensor_trigger select sensor.id, trigger.id from sensor, trigger where trigger.ref = 't';
      ${insertRule} ('r', 'a', 't', '{}', null);
      insert into sensor_assignment (sensor) select id from sensor`,
  });

  await expect
    .poll(() => [...heard].map(String).toSorted(), { timeout: 10_000 })
    .toEqual(["rule", "runtime", "sensor", "sensor_assignment free", "sensor_trigger", "trigger"]);
});

/** What is announced by a statement, and by no other before it. */
async function announcing(database: Database, heard: (string | undefined)[], text: string): Promise<void> {
  heard.length = 0;
  await database.query({ text: `${text}; select pg_notify('attune_change', 'end')` });
  await expect.poll(() => heard.at(-1), { timeout: 10_000 }).toBe("end");
}

test("an assignment announces the workers that it concerns, and a worker itself", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  const [one, two] = ["00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"];
  await database.query({
    text: `insert into sensor (ref, runtime_ref, trigger_ref) select 's' || n, 'x', 't' from generate_series(1, 300) n`,
  });
  const heard: (string | undefined)[] = [];
  await database.listen("attune_change", (payload) => heard.push(payload));
  const expectHeard = async (text: string, payloads: readonly string[]): Promise<void> => {
    await announcing(database, heard, text);
    expect(heard).toEqual([...payloads, "end"]);
  };
  const worker = "insert into worker (name, worker_type, worker_role, status, instance, capabilities)";

  await expectHeard(`${worker} values ('w', 'local', 'sensor', 'active', '${one}', '{}')`, [`worker ${one}`]);
  await expectHeard("update worker set lease_expires_at = now()", [`worker ${one}`]);
  await expectHeard("update worker set lease_expires_at = now() + interval '1 s', status = 'active'", []);
  await expectHeard("update worker set capabilities = '{\"a\": 1}'", [`worker ${one}`]);
  await expectHeard("delete from worker", [`worker ${one}`]);

  await expectHeard(
    `insert into sensor_assignment (sensor, instance) select id, '${one}' from sensor where ref in ('s1', 's2')`,
    [`sensor_assignment ${one}`],
  );
  await expectHeard("update sensor_assignment set lease_expires_at = now(), generation = generation", []);
  await expectHeard("update sensor_assignment set generation = generation + 1 where false", []);
  await expectHeard(`update sensor_assignment set instance = '${two}'`, [`sensor_assignment ${one},${two}`]);
  await expectHeard("update sensor_assignment set instance = null", [`sensor_assignment ${two},free`]);
  await expectHeard("delete from sensor_assignment", ["sensor_assignment free"]);
  // More names than a notification holds.
  await expectHeard(
    "insert into sensor_assignment (sensor, instance) select id, gen_random_uuid() from sensor",
    ["sensor_assignment"],
  );
});

test("an event cannot be changed; deleting old ones is a matter of retention", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  await database.query({ text: "insert into event (trigger_ref, payload) values ('t', '{}')" });

  await expect(database.query({ text: "update event set payload = '{\"a\": 1}'" })).rejects.toMatchObject({
    code: "23001",
    message: expect.stringContaining("an event is immutable"),
  });
  await database.query({ text: "delete from event" });
});

test("a changed row is touched", async () => {
  await using fresh = await freshDatabase();
  const { rows } = await fresh.database.query({
    text: "update runtime set description = 'x' where name = 'Shell' returning updated > created as is_touched",
  });

  expect(rows).toEqual([{ is_touched: true }]);
});

// A role that writes rules through another schema's search path must not divert what the triggers do.
test("the triggers find their tables whatever search path the writer has", async () => {
  await using fresh = await freshDatabase();
  const before = await revision(fresh.database);
  const writer = await fresh.connect();
  await writer.query(
    "create schema decoy; create table decoy.outbox (a int); create table decoy.rule_revision (a int)",
  );
  await writer.query("set search_path to decoy");
  await writer.query(`insert into attune.rule (ref, action_ref, trigger_ref) values ('r', 'a', 't')`);

  expect(await revision(fresh.database)).toBeGreaterThan(before);
  expect((await fresh.database.query({ text: "select routing_key from outbox" })).rows).toEqual([
    { routing_key: "rule.created" },
  ]);
});

async function revision(database: Queryable): Promise<bigint> {
  const { rows } = await database.query({ text: "select value from rule_revision" });
  return BigInt(new Row("revision", Object(rows[0])).id("value"));
}
