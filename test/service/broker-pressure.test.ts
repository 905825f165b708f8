/**
 * Goal: events are stored whatever the broker does, and the agent says what it does.
 * Method: a real agent with a sensor that counts, and brokers that really refuse: one with an alarm, one with a full
 * queue beside a healthy one, one that comes back to hundreds of megabytes of owed messages.
 */
import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { connect } from "amqplib";
import { expect, test } from "vitest";
import { repositoryRoot } from "../../scripts/repository.ts";
import { agentFolder, metric, ready, startAgent, type AgentFolder } from "../support/agent-process.ts";
import { query } from "../support/platform-rows.ts";
import { freshDatabase } from "../support/postgres.ts";
import { freshVhost, privateBroker } from "../support/rabbitmq.ts";
import { startCounting } from "../support/counting.ts";

interface Readiness {
  readonly code: number;
  readonly status: string;
  readonly broker: unknown;
}

async function readiness({ apiUrl }: AgentFolder): Promise<Readiness> {
  const response = await fetch(`${apiUrl}/health/ready`);
  const { status, parts } = (await response.json()) as { status: string; parts: { broker: unknown } };
  return { code: response.status, status, broker: parts.broker };
}

async function linesWith({ logPath }: AgentFolder, words: string): Promise<readonly string[]> {
  return (await readFile(logPath, "utf8")).split("\n").filter((line) => line.includes(words));
}

test(
  "a broker's memory alarm is reported while thousands of events are stored",
  { timeout: 180_000 },
  async () => {
    await using fresh = await freshDatabase();
    await using broker = await privateBroker();
    await using counting = await startCounting({
      database: fresh.database,
      databaseUrl: fresh.url,
      brokerUrl: broker.url,
    });
    const folder = await counting.folder("blocked");
    await using agent = await startAgent(folder);
    await ready(agent, folder);
    await counting.progress();

    await broker.control("set_vm_memory_high_watermark", "0.00001");
    const before = await counting.lastNumber();
    await expect
      .poll(() => readiness(folder), { timeout: 20_000 })
      .toMatchObject({
        code: 503,
        broker: { state: "down", detail: expect.stringMatching(/accepts no messages \(low on memory\)/) },
      });
    expect((await fetch(`${folder.apiUrl}/health/live`)).status).toBe(200);
    await expect.poll(() => counting.lastNumber(), { timeout: 60_000 }).toBeGreaterThan(before + 10_000);
    expect(await metric(folder, 'attune_sensor_agent_broker_condition{condition="blocked"}')).toBe(1);
    await expect.poll(() => linesWith(folder, "accepts no messages"), { timeout: 20_000 }).toHaveLength(1);
    await broker.control("set_vm_memory_high_watermark", "0.4");

    await expect.poll(() => readiness(folder), { timeout: 30_000 }).toMatchObject({ code: 200 });
    await agent.assertRunning();
    await counting.finish();
    await counting.expectNothingLostOrDoubled();
    expect(counting.inversions()).toBe(0);
    expect(await linesWith(folder, "accepts no messages")).toHaveLength(1);
    expect(await linesWith(folder, "the broker accepts messages again")).toHaveLength(1);
  },
);

test(
  "a refusing queue blocks neither storing nor another queue, which gets few repetitions",
  { timeout: 180_000 },
  async () => {
    await using fresh = await freshDatabase();
    await using vhost = await freshVhost();
    await using counting = await startCounting({
      database: fresh.database,
      databaseUrl: fresh.url,
      brokerUrl: vhost.url,
      pace: { burst: 5, pauseMs: 10 },
    });
    const { collector } = counting;
    await vhost.manage("PUT", "/api/queues/{vhost}/full", {
      durable: true,
      arguments: { "x-max-length": 1, "x-overflow": "reject-publish" },
    });
    await vhost.manage("POST", "/api/bindings/{vhost}/e/attune.events/q/full", { routing_key: "event.#" });
    const folder = await counting.folder("refused");
    await using agent = await startAgent(folder);
    await ready(agent, folder);

    await expect.poll(() => counting.lastNumber(), { timeout: 60_000 }).toBeGreaterThan(2_000);
    await expect
      .poll(() => readiness(folder), { timeout: 30_000 })
      .toMatchObject({
        code: 200,
        status: "degraded",
        broker: { state: "degraded", detail: expect.stringMatching(/under event\.created are refused/) },
      });
    const isDelivered = async (): Promise<boolean> => collector.messages.size > (await counting.lastNumber());
    await expect.poll(isDelivered, { timeout: 30_000 }).toBe(true);
    expect(await metric(folder, "attune_sensor_agent_messages_refused_total")).toBeGreaterThan(2_000);
    // Attempts after 1, 2, 4, 8, 16 and 32 s, and a minute is over.
    expect(collector.repetitions()).toBeLessThan(10);

    await vhost.manage("DELETE", "/api/queues/{vhost}/full");
    await counting.finish();
    await counting.expectNothingLostOrDoubled();
    const stored = await counting.lastNumber();
    expect(collector.repetitions()).toBeLessThan(stored + 20);
    await expect.poll(() => readiness(folder), { timeout: 30_000 }).toMatchObject({ status: "ready" });
    expect(await linesWith(folder, "messages under event.created are refused")).toHaveLength(1);
    await expect
      .poll(() => linesWith(folder, "under event.created that were refused have been accepted"), {
        timeout: 10_000,
      })
      .toHaveLength(1);
    await agent.assertRunning();
  },
);

test(
  "an agent with 512 MB publishes a backlog of five hundred messages of 1 MB",
  { timeout: 240_000 },
  async () => {
    await using fresh = await freshDatabase();
    await using vhost = await freshVhost();
    const received = new Set<string>();
    const connection = await connect(vhost.url);
    const channel = await connection.createChannel();
    await channel.assertExchange("attune.events", "topic", { durable: true });
    await channel.assertQueue("received");
    await channel.bindQueue("received", "attune.events", "#");
    await channel.consume("received", (message) => received.add(message?.properties.messageId), {
      noAck: true,
    });
    await oweLargeMessages(fresh.database, { events: 100, rules: 4, bytes: 1_000_000 });

    await using folder = await agentFolder({
      databaseUrl: fresh.url,
      brokerUrl: vhost.url,
      packsDirectory: join(repositoryRoot, "test/fixtures/packs"),
      workerName: "small",
    });
    const args = ["--max-old-space-size=256", join(repositoryRoot, "src/main.ts")];
    await using agent = await startAgent(folder, { command: { file: process.execPath, args } });
    const owed = (): Promise<object[]> => query(fresh.database, "select message_id from outbox limit 1");
    await expect
      .poll(
        async () => {
          await agent.assertRunning();
          return await owed();
        },
        { timeout: 200_000, interval: 200 },
      )
      .toEqual([]);

    // The broker confirms a message when a queue has it, and that is before its consumer does.
    await expect.poll(() => received.size, { timeout: 30_000 }).toBe(500);
    const status = await readFile(`/proc/${agent.pid}/status`, "utf8");
    const peakKilobytes = Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]);
    expect(peakKilobytes).toBeLessThan(512 * 1_024);
    await connection.close();
  },
);

/** As an agent leaves them that died while the broker was down. */
async function oweLargeMessages(
  database: Parameters<typeof query>[0],
  { events, rules, bytes }: { readonly events: number; readonly rules: number; readonly bytes: number },
): Promise<void> {
  const idOf = (kind: number, column: string): string =>
    `(substr(id::text, 1, 13) || '-800${kind}-8000-' || lpad(to_hex(${column}), 12, '0'))::uuid`;
  await query(
    database,
    `with stored as (
       insert into event (trigger_ref, config, payload)
       select 'large.text', '{}', jsonb_build_object('text', repeat('x', $1)) from generate_series(1, $2)
       returning id
     ), enforced as (
       insert into enforcement (rule, rule_ref, trigger_ref, action_ref, event, config, payload)
       select rule, 'large.rule_' || rule, 'large.text', 'large.act', id, '{}', null
         from stored, generate_series(1, $3) as rule
       returning id
     )
     insert into outbox (message_id, routing_key, event, enforcement, instance, bytes)
     select ${idOf(1, "owed")}, 'event.created', owed, null::bigint, $4::uuid, $1
       from installation, (select id as owed from stored) as events
      union all
     select ${idOf(2, "owed")}, 'enforcement.created', null, owed, $4, $1
       from installation, (select id as owed from enforced) as enforcements`,
    [bytes, events, rules, randomUUID()],
  );
}
