/**
 * What a running agent tells sensors about rules, over RabbitMQ and over WebSocket at once: every kind of change, by SQL and
 * by loading a pack, and while the broker is away.
 */
import { connect } from "amqplib";
import { expect, test } from "vitest";
import type { Database } from "../../src/database/database.ts";
import { loadPacks } from "../../src/packs/load-packs.ts";
import { readPacks } from "../../src/packs/read-packs.ts";
import { agentFolder, ready, startAgent, type AgentFolder } from "../support/agent-process.ts";
import { demoPack, packFolder } from "../support/pack-folder.ts";
import { query } from "../support/platform-rows.ts";
import { freshDatabase } from "../support/postgres.ts";
import { freshVhost, privateBroker } from "../support/rabbitmq.ts";
import { subscriberAt, type RuleSubscriber } from "../support/rule-subscriber.ts";
import { tokenFor } from "../support/tokens.ts";

/** Generous against a busy machine; without a notification nothing would happen for ten seconds. */
const promptly = { timeout: 20_000, interval: 5 };
const limits = { timeout: 120_000 };

test("every change reaches sensors the same way over both transports, by SQL", limits, async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  await using vhost = await freshVhost();
  await using folder = await folderFor(fresh.url, vhost.url);
  await using agent = await startAgent(folder);
  await ready(agent, folder);
  await query(database, "insert into trigger (ref) values ('demo.tick'), ('demo.tock')");
  await using queue = await flatMessages(vhost.url);
  await using sensor = await sensorOf(folder, database);
  const steps: readonly (readonly [change: string, says: readonly string[]])[] = [
    [
      `insert into rule (ref, action_ref, trigger_ref, trigger_params, enabled)
       values ('demo.one', 'a', 'demo.tick', '{"n": 1}', false)`,
      ["rule.created demo.tick 1"],
    ],
    [`update rule set trigger_params = '{"n": 2}' where ref = 'demo.one'`, ["rule.updated demo.tick 2"]],
    ["update rule set enabled = true where ref = 'demo.one'", ["rule.enabled demo.tick 2 active"]],
    [
      `update rule set trigger_params = '{"n": 3}' where ref = 'demo.one'`,
      ["rule.enabled demo.tick 3 active", "rule.updated demo.tick 3 active"],
    ],
    ["update rule set label = 'New' where ref = 'demo.one'", ["rule.updated demo.tick 3 active"]],
    ["update rule set label = label where ref = 'demo.one'", []],
    [
      "update rule set trigger_ref = 'demo.tock' where ref = 'demo.one'",
      ["rule.disabled demo.tick 3", "rule.enabled demo.tock 3 active"],
    ],
    ["update trigger set enabled = false where ref = 'demo.tock'", ["rule.disabled demo.tock 3"]],
    ["update trigger set enabled = true where ref = 'demo.tock'", ["rule.enabled demo.tock 3 active"]],
    ["update rule set enabled = false where ref = 'demo.one'", ["rule.disabled demo.tock 3"]],
    ["delete from rule where ref = 'demo.one'", ["rule.deleted demo.tock 3"]],
  ];

  const told: string[] = [];
  for (const [change, says] of steps) {
    await query(database, change);
    told.push(...says);
    await expect.poll(() => toldOverWebSocket(sensor), promptly).toEqual(told);
    await expect.poll(queue.told, promptly).toEqual(told);
  }
  // What must not start a sensor of the oldest kind has no flat type.
  expect(queue.untyped()).toEqual(["rule.created demo.tick 1", "rule.updated demo.tick 2"]);
});

test("loading a pack tells sensors of its rules over both transports", limits, async () => {
  await using fresh = await freshDatabase();
  await using vhost = await freshVhost();
  await using folder = await folderFor(fresh.url, vhost.url);
  await using agent = await startAgent(folder);
  await ready(agent, folder);
  await using queue = await flatMessages(vhost.url);
  await using sensor = await sensorOf(folder, fresh.database);
  await using pack = await packFolder(demoPack);
  const told: string[] = [];
  const load = async (rule: string, says: readonly string[]): Promise<void> => {
    await pack.write("rules/noted.yaml", rule);
    await loadPacks(fresh.database, (await readPacks([pack.directory])).packs);
    told.push(...says);
    await expect.poll(() => toldOverWebSocket(sensor), promptly).toEqual(told);
    await expect.poll(queue.told, promptly).toEqual(told);
  };
  const rule = "ref: noted\naction: note\n";

  await load(`${rule}trigger: tick\ntrigger_params: { n: 1 }\n`, ["rule.created demo.tick 1 active"]);
  await load(`${rule}trigger: tick\ntrigger_params: { n: 1 }\n`, []);
  await load(`${rule}trigger: tick\ntrigger_params: { n: 2 }\n`, [
    "rule.enabled demo.tick 2 active",
    "rule.updated demo.tick 2 active",
  ]);
  await load(`${rule}trigger: tock\ntrigger_params: { n: 2 }\n`, [
    "rule.disabled demo.tick 2",
    "rule.enabled demo.tock 2 active",
  ]);
});

// Goal: a broker that is away delays what sensors hear from it, and nothing else.
// Method: change rules while it is stopped. The other transport hears at once, the queue in the same order once it is back.
test("changes made while the broker is away reach the queue in their order afterwards", limits, async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  await using broker = await privateBroker();
  await using folder = await folderFor(fresh.url, broker.url);
  await using agent = await startAgent(folder);
  await ready(agent, folder);
  await query(
    database,
    `insert into trigger (ref) values ('demo.tick'), ('demo.tock');
     insert into rule (ref, action_ref, trigger_ref, trigger_params) values ('demo.one', 'a', 'demo.tick', '{"n": 0}')`,
  );
  await using sensor = await sensorOf(folder, database);
  {
    await using before = await flatMessages(broker.url);
    await query(database, `update rule set trigger_params = '{"n": 1}' where ref = 'demo.one'`);
    await expect.poll(() => before.told().length, promptly).toBeGreaterThanOrEqual(2);
  }
  sensor.forget();

  await broker.stop();
  const told: string[] = [];
  for (let n = 2; n <= 20; n += 1) {
    await query(
      database,
      `update rule set trigger_params = jsonb_build_object('n', $1::int) where ref = 'demo.one'`,
      [n],
    );
    told.push(`rule.enabled demo.tick ${n} active`, `rule.updated demo.tick ${n} active`);
  }
  await query(database, "delete from rule where ref = 'demo.one'");
  told.push("rule.deleted demo.tick 20");
  await expect.poll(() => toldOverWebSocket(sensor), promptly).toEqual(told);
  await broker.start();

  await using after = await flatMessages(broker.url);
  await expect.poll(after.told, { timeout: 60_000, interval: 50 }).toEqual(told);
});

async function folderFor(databaseUrl: string, brokerUrl: string): Promise<AgentFolder> {
  return await agentFolder({ databaseUrl, brokerUrl, packsDirectory: "/nowhere", workerName: "notifying" });
}

/** Follows two triggers, and a third last, whose state tells that it follows all of them. */
async function sensorOf({ apiUrl }: AgentFolder, database: Database): Promise<RuleSubscriber> {
  await query(
    database,
    `insert into rule (ref, action_ref, trigger_ref, enabled) values ('demo.marker', 'a', 'demo.marker', false)`,
  );
  const triggerRefs = ["demo.tick", "demo.tock", "demo.marker"];
  const sensor = await subscriberAt(apiUrl, await tokenFor("sensor", { triggerRefs }));
  for (const triggerRef of triggerRefs) sensor.subscribe(triggerRef);
  await expect.poll(sensor.told, promptly).toContain("rule.updated demo.marker");
  sensor.forget();
  return sensor;
}

function toldOverWebSocket(sensor: RuleSubscriber): readonly string[] {
  return sensor.frames.flatMap(({ payload }) => {
    if (payload === undefined) return [];
    const { event_type, trigger_ref, trigger_params, active } = payload;
    return [written(event_type, trigger_ref, trigger_params, active)];
  });
}

interface FlatMessages extends AsyncDisposable {
  readonly told: () => readonly string[];
  /** Those without `event_type`. */
  readonly untyped: () => readonly string[];
}

/** A durable queue as sensors of the broker era declare it, read by its flat form. */
async function flatMessages(brokerUrl: string): Promise<FlatMessages> {
  const connection = await connect(brokerUrl);
  const channel = await connection.createChannel();
  const queue = "sensor.demo.clock";
  await channel.assertExchange("attune.events", "topic", { durable: true });
  await channel.assertQueue(queue, { durable: true });
  await channel.bindQueue(queue, "attune.events", "rule.#");
  const told: string[] = [];
  const untyped: string[] = [];
  await channel.consume(queue, (message) => {
    if (message === null) return;
    const { event_type, trigger_ref, trigger_params, active } = JSON.parse(message.content.toString());
    channel.ack(message);
    if (trigger_ref === "demo.marker") return;
    const text = written(message.fields.routingKey, trigger_ref, trigger_params, active);
    told.push(text);
    if (event_type === undefined) untyped.push(text);
  });
  return {
    told: () => told,
    untyped: () => untyped,
    [Symbol.asyncDispose]: () => connection.close(),
  };
}

function written(
  key: string,
  triggerRef: string,
  params: { readonly n?: unknown },
  isActive: boolean,
): string {
  return `${key} ${triggerRef} ${String(params.n)}${isActive ? " active" : ""}`;
}
