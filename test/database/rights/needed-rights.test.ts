/**
 * Goal: the documented rights are exactly those that a running agent needs.
 * Method: PostgreSQL checks rights when it explains a statement, so every statement of an agent is explained as a role
 * with these rights, and again without each one of them.
 */
import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Client } from "pg";
import { expect, onTestFinished, test } from "vitest";
import { grantStatements } from "../../../src/database/rights/grants.ts";
import { neededRights } from "../../../src/database/rights/needed-rights.ts";
import { readBacktestPage } from "../../../src/database/statements/backtests.ts";
import type { SoleSource } from "../../../src/database/statements/batch-to-store.ts";
import { storeBatch } from "../../../src/database/statements/batches.ts";
import { listDefinitions } from "../../../src/database/statements/definition-lists.ts";
import { listKeys } from "../../../src/database/statements/keys.ts";
import * as migrations from "../../../src/database/statements/migrations.ts";
import { readLogPage } from "../../../src/database/statements/replays.ts";
import { readMissingRights } from "../../../src/database/statements/rights.ts";
import { listSensors } from "../../../src/database/statements/sensor-list.ts";
import { listTimers } from "../../../src/database/statements/timer-list.ts";
import { listWorkers } from "../../../src/database/statements/worker-list.ts";
import { rowsOf } from "../../../src/database/statement.ts";
import { asSuperuser, freshDatabase } from "../../support/postgres.ts";

interface Statement {
  readonly name: string;
  readonly text: string;
}

const leastBatch = {
  events: { count: 1, keys: null, particulars: null, traces: null },
  matches: "[]",
  checkpoints: "[]",
};
const particulars = { occurredAt: [], rules: [], ruleRefs: [] };
const fullBatch = {
  events: { count: 2, keys: [], particulars, traces: { parents: [], states: [] } },
  matches: "[{}]",
  checkpoints: "[{}]",
};
const soleSource: SoleSource = {
  triggerId: "1",
  triggerRef: "t",
  triggerRevision: "0",
  config: "{}",
  sensorId: null,
  sensorRef: null,
  term: null,
};

const firstPage = { after: { createdUs: "0", id: "0" }, until: new Date(0), countMax: 1, bytesMax: 1 };

/** What the functions that make statements make, by their names. */
const made: Readonly<Record<string, readonly unknown[]>> = {
  storeBatch: [undefined, soleSource].flatMap((sole) => [
    storeBatch({ ...leastBatch, soleSource: sole }),
    storeBatch({ ...fullBatch, soleSource: sole }),
  ]),
  readBacktestPage: [
    readBacktestPage({ payloadKeys: undefined, bytesMax: null }),
    readBacktestPage({ payloadKeys: ["key"], bytesMax: 1 }),
  ],
  readLogPage: [null, "t"].map((triggerRef) => readLogPage({ ...firstPage, triggerRef })),
  // Reads a table that open_retired gives the right for.
  readRetired: [],
  listDefinitions: (["pack", "runtime", "trigger", "action", "rule"] as const).map((kind) =>
    listDefinitions(kind, "id"),
  ),
  listKeys: [listKeys("id")],
  listSensors: [listSensors("id")],
  listTimers: [listTimers("id")],
  listWorkers: [listWorkers("id")],
};

/** Only the role that applies migrations runs the others. */
const { listAppliedVersions: _, ...migrating } = migrations;
const ofMigrating = new Set<object>(Object.values(migrating));

const directory = join(import.meta.dirname, "../../../src/database/statements");
const files = readdirSync(directory).map((name) => join(directory, name));
const modules = await Promise.all(files.map((file): Promise<unknown> => import(file)));
const statements = [...modules, made]
  .flatMap(statementsIn)
  .filter((statement) => !ofMigrating.has(statement));

function statementsIn(value: unknown): Statement[] {
  if (typeof value !== "object" || value === null) return [];
  if (isStatement(value)) return [value];
  if (isHistoryTable(value)) {
    return [{ name: `list_${value.name}`, text: `select ${value.columns} from ${value.name}` }];
  }
  return Object.values(value).flatMap(statementsIn);
}

function isStatement(value: object): value is Statement {
  return "name" in value && "text" in value;
}

function isHistoryTable(value: object): value is { readonly name: string; readonly columns: string } {
  return "name" in value && "columns" in value;
}

/** Creates a role for the test. */
async function makeRole(client: Client): Promise<string> {
  const role = `attune_test_${randomBytes(4).toString("hex")}`;
  await asSuperuser((superuser) => superuser.query(`create role ${role}`));
  onTestFinished(() => asSuperuser(async (superuser) => void (await superuser.query(`drop role ${role}`))));
  const { database = "" } = client;
  for (const grant of grantStatements({ database, schema: "attune", role })) await client.query(grant);
  return role;
}

async function* deniedStatements(client: Client): AsyncGenerator<string, void> {
  for (const { name, text } of statements) {
    const parameters = Math.max(0, ...[...text.matchAll(/\$(\d+)/g)].map(([, number]) => Number(number)));
    try {
      await client.query(
        `explain ${text}`,
        Array.from({ length: parameters }, () => null),
      );
    } catch (error) {
      if (!(error instanceof Error) || !("code" in error) || error.code !== "42501") throw error;
      yield `${name}: ${error.message}`;
    }
  }
}

test("every function that makes a statement is called here", () => {
  const makers = files.flatMap((file) =>
    Array.from(
      readFileSync(file, "utf8").matchAll(
        /^export function (\w+)(?:(?!^\}$)[^])*?\): (?:Long|List)?Statements?</gm,
      ),
      ([, name]) => name,
    ),
  );

  expect(new Set(makers)).toEqual(new Set(Object.keys(made)));
});

test("with these rights a role may run every statement of an agent, and without any of them it may not", async () => {
  await using fresh = await freshDatabase();
  const owner = await fresh.connect();
  const client = await fresh.connect();
  const role = await makeRole(owner);
  await client.query(`set role ${role}`);

  expect(statements.length).toBeGreaterThan(200);
  expect(await Array.fromAsync(deniedStatements(client))).toEqual([]);

  const superfluous: string[] = [];
  for (const { kind, name, privileges } of neededRights) {
    // What functions do with sequences is not explained.
    if (kind === "sequence") continue;
    for (const privilege of privileges) {
      await owner.query(`revoke ${privilege} on ${kind} attune.${name} from ${role}`);
      const firstDenied = await deniedStatements(client).next();
      if (firstDenied.done === true) superfluous.push(`${privilege} on ${name}`);
      await owner.query(`grant ${privilege} on ${kind} attune.${name} to ${role}`);
    }
  }
  expect(superfluous).toEqual([]);
}, 120_000);

test("each right is named when it alone is missing", async () => {
  await using fresh = await freshDatabase();
  const owner = await fresh.connect();
  const client = await fresh.connect();
  const role = await makeRole(owner);
  await client.query(`set role ${role}`);

  for (const { kind, name, privileges } of neededRights) {
    for (const privilege of privileges) {
      await owner.query(`revoke ${privilege} on ${kind} attune.${name} from ${role}`);
      expect(
        await rowsOf({ query: (query) => client.query(query) }, readMissingRights, neededRights),
      ).toMatchObject([{ name, privilege }]);
      await owner.query(`grant ${privilege} on ${kind} attune.${name} to ${role}`);
    }
  }
});

test("a missing right is named with the statement that grants it", async () => {
  await using fresh = await freshDatabase();
  const owner = await fresh.connect();
  const client = await fresh.connect();
  const role = await makeRole(owner);
  await owner.query(`revoke insert on attune.event from ${role}`);
  await owner.query(`revoke update on sequence attune.event_id_seq from ${role}`);
  await client.query(`set role ${role}`);

  const missing = await rowsOf({ query: (query) => client.query(query) }, readMissingRights, neededRights);

  expect(missing).toEqual([
    { role, name: "event", privilege: "insert", grant: `grant insert on table attune.event to ${role}` },
    {
      role,
      name: "event_id_seq",
      privilege: "update",
      grant: `grant update on sequence attune.event_id_seq to ${role}`,
    },
  ]);
  for (const { grant } of missing) await owner.query(grant);
  expect(await rowsOf({ query: (query) => client.query(query) }, readMissingRights, neededRights)).toEqual(
    [],
  );
});

// Goal: an agent to which row security shows no rules does not work as if there were none.
test("row security that hides rows is named with a policy that shows them, and one that shows all is enough", async () => {
  await using fresh = await freshDatabase();
  const owner = await fresh.connect();
  const client = await fresh.connect();
  const role = await makeRole(owner);
  await client.query(`set role ${role}`);
  const missing = async () =>
    await rowsOf({ query: (query) => client.query(query) }, readMissingRights, neededRights);
  await owner.query("alter table rule enable row level security");
  await owner.query("create policy of_a_team on rule using (pack_ref = 'theirs')");

  const grant = `create policy sensor_agent on attune.rule to ${role} using (true)`;
  expect(await missing()).toEqual([{ role, name: "rule", privilege: "a policy for every row", grant }]);
  await owner.query(grant);
  expect(await missing()).toEqual([]);
  await owner.query("create policy fewer on rule as restrictive using (enabled)");
  expect(await missing()).toHaveLength(1);
  await owner.query(
    `drop policy fewer on rule; drop policy sensor_agent on rule; drop policy of_a_team on rule`,
  );
  await owner.query("create policy for_readers on rule for select using (true)");
  expect(await missing()).toEqual([]);
});
