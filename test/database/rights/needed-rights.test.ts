/**
 * Goal: the documented rights are exactly those that a running agent needs.
 * Method: PostgreSQL checks rights when it explains a statement, so every statement of an agent is explained as a role
 * with these rights, and again without each one of them.
 */
import { randomBytes } from "node:crypto";
import type { Client } from "pg";
import { expect, onTestFinished, test } from "vitest";
import { grantStatements } from "../../../src/database/rights/grants.ts";
import { neededRights } from "../../../src/database/rights/needed-rights.ts";
import * as addedEnforcements from "../../../src/database/statements/added-enforcements.ts";
import * as assignedSensors from "../../../src/database/statements/assigned-sensors.ts";
import * as assignments from "../../../src/database/statements/assignments.ts";
import type { SoleSource } from "../../../src/database/statements/batch-to-store.ts";
import * as batches from "../../../src/database/statements/batches.ts";
import * as cloudEvents from "../../../src/database/statements/cloud-events.ts";
import * as definitionReferences from "../../../src/database/statements/definition-references.ts";
import * as diagnosis from "../../../src/database/statements/diagnosis.ts";
import * as explainedEvents from "../../../src/database/statements/explained-events.ts";
import * as events from "../../../src/database/statements/events.ts";
import * as idSequences from "../../../src/database/statements/id-sequences.ts";
import * as identities from "../../../src/database/statements/identities.ts";
import * as installation from "../../../src/database/statements/installation.ts";
import * as definitionEdits from "../../../src/database/statements/definition-edits.ts";
import { listDefinitions, readDefinition } from "../../../src/database/statements/definition-lists.ts";
import * as leaseRenewals from "../../../src/database/statements/lease-renewals.ts";
import { listAppliedVersions } from "../../../src/database/statements/migrations.ts";
import * as loginAttempts from "../../../src/database/statements/login-attempts.ts";
import * as outbox from "../../../src/database/statements/outbox.ts";
import * as outboxOwnership from "../../../src/database/statements/outbox-ownership.ts";
import * as owedMessages from "../../../src/database/statements/owed-messages.ts";
import * as partitions from "../../../src/database/statements/partitions.ts";
import * as packs from "../../../src/database/statements/packs.ts";
import * as keys from "../../../src/database/statements/keys.ts";
import { readMissingRights } from "../../../src/database/statements/rights.ts";
import * as ruleDiagnosis from "../../../src/database/statements/rule-diagnosis.ts";
import * as ruleMessages from "../../../src/database/statements/rule-messages.ts";
import * as ruleProblems from "../../../src/database/statements/rule-problems.ts";
import * as ruleVersions from "../../../src/database/statements/rule-versions.ts";
import * as rules from "../../../src/database/statements/rules.ts";
import * as runtimes from "../../../src/database/statements/runtimes.ts";
import * as schemaMemory from "../../../src/database/statements/schema-memory.ts";
import * as sensorDemands from "../../../src/database/statements/sensor-demands.ts";
import * as sensorWorkers from "../../../src/database/statements/sensor-workers.ts";
import { gapTable, noteUnplacedSensors } from "../../../src/database/statements/sensor-gaps.ts";
import * as sensorHold from "../../../src/database/statements/sensor-hold.ts";
import { listSensors, readSensor } from "../../../src/database/statements/sensor-list.ts";
import * as sensorOwner from "../../../src/database/statements/sensor-owner.ts";
import * as sensorQueues from "../../../src/database/statements/sensor-queues.ts";
import * as sensorProcess from "../../../src/database/statements/sensor-process.ts";
import * as sensorScripts from "../../../src/database/statements/sensor-scripts.ts";
import { listWorkers, readWorker } from "../../../src/database/statements/worker-list.ts";
import * as timers from "../../../src/database/statements/timers.ts";
import * as storedBatches from "../../../src/database/statements/stored-batches.ts";
import * as verifiedEvents from "../../../src/database/statements/verified-events.ts";
import * as verifiedReferences from "../../../src/database/statements/verified-references.ts";
import * as webhookDeliveries from "../../../src/database/statements/webhook-deliveries.ts";
import * as webhookEndpoints from "../../../src/database/statements/webhook-endpoints.ts";
import * as webhookLimits from "../../../src/database/statements/webhook-limits.ts";
import * as workerRequests from "../../../src/database/statements/worker-requests.ts";
import * as workers from "../../../src/database/statements/workers.ts";
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

const modules: readonly object[] = [
  addedEnforcements,
  assignedSensors,
  assignments,
  leaseRenewals,
  sensorDemands,
  sensorWorkers,
  ...[undefined, soleSource].map((sole) => ({
    least: batches.storeBatch({ ...leastBatch, soleSource: sole }),
    all: batches.storeBatch({ ...fullBatch, soleSource: sole }),
  })),
  cloudEvents,
  definitionReferences,
  definitionReferences.readReferrers,
  diagnosis,
  explainedEvents,
  events,
  idSequences,
  identities,
  installation,
  loginAttempts,
  webhookDeliveries,
  webhookEndpoints,
  webhookLimits,
  keys,
  keys.listKeys("id"),
  { listAppliedVersions },
  listSensors("id"),
  { readSensor },
  listWorkers("id"),
  { readWorker },
  definitionEdits,
  ...Object.values(definitionEdits.definitionEdits),
  definitionEdits.switchDefinition,
  ...(["pack", "runtime", "trigger", "action", "rule"] as const).map((kind) => listDefinitions(kind, "id")),
  readDefinition,
  packs,
  packs.upsertDefinitions,
  packs.removeDefinitions,
  outbox,
  outboxOwnership,
  owedMessages,
  partitions,
  ruleDiagnosis,
  ruleMessages,
  rules,
  ruleProblems,
  ruleVersions,
  runtimes,
  schemaMemory,
  { noteUnplacedSensors },
  { listGaps: { name: "list_sensor_gaps", text: `select ${gapTable.columns} from sensor_gap` } },
  sensorHold,
  sensorOwner,
  sensorProcess,
  sensorQueues,
  sensorScripts,
  storedBatches,
  timers,
  verifiedEvents,
  verifiedReferences,
  workerRequests,
  workers,
];
const statements = modules.flatMap((module) => Object.values(module).filter(isStatement));

function isStatement(value: unknown): value is Statement {
  return typeof value === "object" && value !== null && "name" in value && "text" in value;
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

async function deniedStatements(client: Client): Promise<string[]> {
  const denied: string[] = [];
  for (const { name, text } of statements) {
    const parameters = Math.max(0, ...[...text.matchAll(/\$(\d+)/g)].map(([, number]) => Number(number)));
    try {
      await client.query(
        `explain ${text}`,
        Array.from({ length: parameters }, () => null),
      );
    } catch (error) {
      if (!(error instanceof Error) || !("code" in error) || error.code !== "42501") throw error;
      denied.push(`${name}: ${error.message}`);
    }
  }
  return denied;
}

test("with these rights a role may run every statement of an agent, and without any of them it may not", async () => {
  await using fresh = await freshDatabase();
  const owner = await fresh.connect();
  const client = await fresh.connect();
  const role = await makeRole(owner);
  await client.query(`set role ${role}`);

  expect(statements.length).toBeGreaterThan(30);
  expect(await deniedStatements(client)).toEqual([]);

  const superfluous: string[] = [];
  for (const { kind, name, privileges } of neededRights) {
    // What functions do with sequences is not explained.
    if (kind === "sequence") continue;
    for (const privilege of privileges) {
      await owner.query(`revoke ${privilege} on ${kind} attune.${name} from ${role}`);
      if ((await deniedStatements(client)).length === 0) superfluous.push(`${privilege} on ${name}`);
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
