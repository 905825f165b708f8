/**
 * A change of a rule: from its commit to the notification in a sensor's WebSocket, and to the message in a sensor's queue.
 * The floor is a bare NOTIFY heard by a program that writes it to a socket.
 */
import { once } from "node:events";
import { createServer, connect as connectTo, type AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { connect } from "amqplib";
import { Client } from "pg";
import { agentFolder, ready, startAgent } from "../support/agent-process.ts";
import { freshDatabase } from "../support/postgres.ts";
import { freshVhost } from "../support/rabbitmq.ts";
import { subscriberAt } from "../support/rule-subscriber.ts";
import { tokenFor } from "../support/tokens.ts";
import { agentCommand } from "./rig/agent-command.ts";
import { quantile, report } from "./rig/report.ts";

const changes = 300;
const warmUp = 50;
const pauseMs = 20;
const limitsMs = { 0.5: 20, 0.99: 200 } as const;

await using database = await freshDatabase();
await using vhost = await freshVhost();
await using folder = await agentFolder({
  databaseUrl: database.url,
  brokerUrl: vhost.url,
  packsDirectory: "/nowhere",
  workerName: "bench",
});
await using agent = await startAgent(folder, { command: agentCommand() });
await ready(agent, folder);

const floor = await measureFloor();
const { overWebSocket, overBroker } = await measureAgent();
report(
  `Change of a rule, committed → sensor told, ${agentCommand().what}`,
  [
    { way: "WebSocket", latencies: overWebSocket },
    { way: "RabbitMQ", latencies: overBroker },
  ].flatMap(({ way, latencies }) =>
    ([0.5, 0.99] as const).map((part) => {
      const measuredMs = quantile(latencies, part);
      const floorMs = quantile(floor, part);
      return {
        what: `${way}, p${part * 100}`,
        measured: `${measuredMs.toFixed(2)} ms`,
        floor: `${floorMs.toFixed(2)} ms`,
        ratio: measuredMs / floorMs,
        required: `at most ${limitsMs[part]} ms`,
        isReached: measuredMs <= limitsMs[part],
      };
    }),
  ),
);

async function measureAgent(): Promise<{
  readonly overWebSocket: readonly number[];
  readonly overBroker: readonly number[];
}> {
  const writer = await database.connect();
  await writer.query("insert into trigger (ref) values ('bench.tick')");
  await writer.query(
    `insert into rule (ref, action_ref, trigger_ref, trigger_params) values ('bench.rule', 'a', 'bench.tick', '{"n": -1}')`,
  );
  const arrivals = { webSocket: new Map<number, number>(), broker: new Map<number, number>() };
  await using sensor = await subscriberAt(
    folder.apiUrl,
    await tokenFor("sensor", { triggerRefs: ["bench.tick"] }),
  );
  sensor.subscribe("bench.tick");
  await once(sensor.socket, "message");
  sensor.socket.on("message", (text: Buffer) => note(arrivals.webSocket, text));
  const connection = await connect(vhost.url);
  const channel = await connection.createChannel();
  const { queue } = await channel.assertQueue("", { exclusive: true });
  await channel.bindQueue(queue, "attune.events", "rule.enabled");
  await channel.consume(queue, (message) => note(arrivals.broker, message?.content ?? Buffer.alloc(0)), {
    noAck: true,
  });
  const committedAtMs: number[] = [];
  for (let n = 0; n < changes; n += 1) {
    await writer.query("update rule set trigger_params = jsonb_build_object('n', $1::int)", [n]);
    committedAtMs.push(performance.now());
    await delay(pauseMs);
  }
  for (let waits = 0; arrivals.broker.size < changes && waits < 500; waits += 1) await delay(20);
  await connection.close();
  const latencies = (arrived: ReadonlyMap<number, number>): readonly number[] =>
    committedAtMs.map((atMs, n) => (arrived.get(n) ?? Number.POSITIVE_INFINITY) - atMs).slice(warmUp);
  return { overWebSocket: latencies(arrivals.webSocket), overBroker: latencies(arrivals.broker) };
}

/** The first that is heard of a change. */
function note(arrived: Map<number, number>, text: Buffer): void {
  const n = Number(/"n":\s?(\d+)/.exec(text.toString())?.[1] ?? Number.NaN);
  if (!Number.isNaN(n) && !arrived.has(n)) arrived.set(n, performance.now());
}

async function measureFloor(): Promise<readonly number[]> {
  const writer = await database.connect();
  const listener = new Client({ connectionString: database.url });
  await listener.connect();
  await listener.query("listen bench");
  const server = createServer((socket) => {
    listener.on("notification", ({ payload = "" }) => socket.write(`{"n": ${payload}}`));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it listens on a port
  const client = connectTo((server.address() as AddressInfo).port, "127.0.0.1").setNoDelay();
  await once(client, "connect");
  const arrived = new Map<number, number>();
  client.on("data", (text: Buffer) => note(arrived, text));
  const committedAtMs: number[] = [];
  await writer.query("create table bench (n int)");
  for (let n = 0; n < changes; n += 1) {
    await writer.query("begin");
    await writer.query("insert into bench values ($1)", [n]);
    await writer.query("select pg_notify('bench', $1::text)", [String(n)]);
    await writer.query("commit");
    committedAtMs.push(performance.now());
    await delay(pauseMs);
  }
  client.destroy();
  server.close();
  await listener.end();
  return committedAtMs.map((atMs, n) => (arrived.get(n) ?? Number.POSITIVE_INFINITY) - atMs).slice(warmUp);
}
