/** The queues that sensors read on a real broker, beside a sensor that declares and consumes as existing ones do. */
import { connect, type Channel } from "amqplib";
import { expect, test } from "vitest";
import type { MessageTransport } from "../../../src/messaging/message-transport.ts";
import { openInProcess } from "../../../src/messaging/in-process/in-process.ts";
import { openRabbitmq } from "../../../src/messaging/rabbitmq/rabbitmq.ts";
import type { SensorQueues } from "../../../src/messaging/sensor-queues.ts";
import { silentLogger as logger } from "../../../src/telemetry/logger.ts";
import { startFaultProxy } from "../../support/fault-proxy.ts";
import { freshVhost, type FreshVhost } from "../../support/rabbitmq.ts";
import { outgoing } from "../conformance.ts";

const soon = { timeout: 15_000, interval: 20 };

test("a prepared queue is durable, has no arguments, and receives what is said of rules", async () => {
  await using broker = await connectedBroker();

  await broker.queues.prepare("core.timer");

  const queue = await broker.vhost.manage("GET", "/api/queues/{vhost}/sensor.core.timer");
  expect(queue).toMatchObject({ durable: true, auto_delete: false, exclusive: false, arguments: {} });
  const bindings = await broker.vhost.manage(
    "GET",
    "/api/bindings/{vhost}/e/attune.events/q/sensor.core.timer",
  );
  expect(routingKeysOf(bindings)).toEqual([
    "rule.created",
    "rule.deleted",
    "rule.disabled",
    "rule.enabled",
    "rule.updated",
  ]);
});

test("a sensor that starts hears nothing of the time before", async () => {
  await using broker = await connectedBroker();
  await broker.queues.prepare("core.timer");
  await broker.transport.publish(outgoing({ routingKey: "rule.created", messageId: "old" }));

  await broker.queues.prepare("core.timer");
  await broker.transport.publish(outgoing({ routingKey: "rule.deleted", messageId: "new" }));
  await using sensor = await sensorOn(broker.vhost, "sensor.core.timer");

  await expect.poll(() => sensor.heard, soon).toEqual(["new"]);
});

// Goal: what is repeated because nobody answered must not take messages from the sensor that was started since.
// Method: the broker gets a preparation that was given up only after a message that must stay.
test("a preparation that was not answered in time is not carried out later", async () => {
  await using broker = await connectedBroker();
  const target = new URL(broker.vhost.url);
  await using proxy = await startFaultProxy({
    targetHost: target.hostname,
    targetPort: Number(target.port),
  });
  target.port = String(proxy.port);
  await using slow = await openRabbitmq({ url: target.href, logger, connectTimeoutMs: 1_000 });
  await slow.connected(20_000);
  await slow.sensorQueues?.prepare("core.timer");
  proxy.freeze();
  await expect(slow.sensorQueues?.prepare("core.timer")).rejects.toMatchObject({
    code: "BROKER_UNREACHABLE",
  });
  await broker.transport.publish(outgoing({ routingKey: "rule.created", messageId: "kept" }));

  proxy.resume();
  for (const other of ["core.one", "core.two"]) await slow.sensorQueues?.prepare(other);
  await using sensor = await sensorOn(broker.vhost, "sensor.core.timer");

  await expect.poll(() => sensor.heard, soon).toEqual(["kept"]);
});

test("consumers are counted, and a queue that does not exist has no number", async () => {
  await using broker = await connectedBroker();
  expect(await broker.queues.consumerCount("core.timer")).toBeUndefined();
  await broker.queues.prepare("core.timer");
  expect(await broker.queues.consumerCount("core.timer")).toBe(0);
  {
    await using _sensor = await sensorOn(broker.vhost, "sensor.core.timer");
    expect(await broker.queues.consumerCount("core.timer")).toBe(1);
  }
  await expect.poll(() => broker.queues.consumerCount("core.timer"), soon).toBe(0);
});

test("a removed queue is gone, and removing it again does nothing", async () => {
  await using broker = await connectedBroker();
  await broker.queues.prepare("core.timer");

  await broker.queues.remove("core.timer");
  await broker.queues.remove("core.timer");

  expect(await broker.queues.consumerCount("core.timer")).toBeUndefined();
});

test("a queue that another worker's sensor consumes already is not removed", async () => {
  await using broker = await connectedBroker();
  await broker.queues.prepare("core.timer");
  await using _sensor = await sensorOn(broker.vhost, "sensor.core.timer");

  await broker.queues.remove("core.timer");

  expect(await broker.queues.consumerCount("core.timer")).toBe(1);
});

test("a queue that exists otherwise is refused by name, and the next one is prepared all the same", async () => {
  await using broker = await connectedBroker();
  await broker.vhost.manage("PUT", "/api/queues/{vhost}/sensor.core.timer", {
    durable: true,
    arguments: { "x-max-length": 5 },
  });

  await expect(broker.queues.prepare("core.timer")).rejects.toMatchObject({
    code: "BROKER_CONFLICT",
    attempt: expect.stringMatching(/^prepare the queue sensor\.core\.timer on RabbitMQ at /),
  });

  await broker.queues.prepare("core.other");
  expect(await broker.queues.consumerCount("core.other")).toBe(0);
});

test("while the broker is out of reach, that is the answer", async () => {
  await using transport = await openRabbitmq({
    url: "amqp://nobody:x@127.0.0.1:1",
    logger,
    connectTimeoutMs: 200,
  });

  await expect(transport.sensorQueues?.prepare("core.timer")).rejects.toMatchObject({
    code: "BROKER_UNREACHABLE",
  });
});

test("without a broker there are none", async () => {
  await using transport = await openInProcess({ logger });

  expect(transport.sensorQueues).toBeUndefined();
});

interface ConnectedBroker extends AsyncDisposable {
  readonly vhost: FreshVhost;
  readonly transport: MessageTransport;
  readonly queues: SensorQueues;
}

async function connectedBroker(): Promise<ConnectedBroker> {
  const vhost = await freshVhost();
  const transport = await openRabbitmq({ url: vhost.url, logger });
  await transport.connected(10_000);
  const { sensorQueues: queues } = transport;
  if (queues === undefined) throw new Error("RabbitMQ has queues");
  return {
    vhost,
    transport,
    queues,
    async [Symbol.asyncDispose]() {
      await transport[Symbol.asyncDispose]();
      await vhost[Symbol.asyncDispose]();
    },
  };
}

/** Declares and consumes as the sensors of attune-sdk 0.1.0 do. */
async function sensorOn(
  { url }: FreshVhost,
  queue: string,
): Promise<{ readonly channel: Channel; readonly heard: readonly unknown[] } & AsyncDisposable> {
  const connection = await connect(url);
  const channel = await connection.createChannel();
  const heard: unknown[] = [];
  await channel.assertExchange("attune.events", "topic", { durable: true });
  await channel.assertQueue(queue, { durable: true });
  for (const key of ["rule.created", "rule.enabled", "rule.disabled", "rule.deleted", "rule.updated"]) {
    await channel.bindQueue(queue, "attune.events", key);
  }
  await channel.consume(queue, (message) => {
    if (message === null) return;
    heard.push(message.properties.messageId);
    channel.ack(message);
  });
  return { channel, heard, [Symbol.asyncDispose]: () => connection.close() };
}

function routingKeysOf(bindings: unknown): readonly string[] {
  if (!Array.isArray(bindings)) throw new Error("the management API answers with a list");
  return bindings.map(({ routing_key }: { readonly routing_key: string }) => routing_key).toSorted();
}
