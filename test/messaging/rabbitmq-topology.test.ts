/**
 * What is declared on a real broker, what a message looks like there, and what happens when someone
 * else has declared or deleted things.
 */
import { connect, type ConsumeMessage } from "amqplib";
import { expect, test } from "vitest";
import { openRabbitmq } from "../../src/messaging/rabbitmq.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { freshVhost, type FreshVhost } from "../support/rabbitmq.ts";
import { outgoing, recorder } from "./conformance.ts";

const soon = { timeout: 15_000, interval: 20 };
const events = { exchange: "attune.events", bindings: ["#"], prefetch: 10 };
const logger = silentLogger;

async function queueNames(vhost: FreshVhost): Promise<string[]> {
  const queues = await vhost.manage("GET", "/api/queues/{vhost}");
  if (!Array.isArray(queues)) throw new Error("the management API answers with a list");
  return queues.map(({ name }: { readonly name: string }) => name);
}

test("three durable topic exchanges, the way for enforcements, and a bounded dead-letter queue", async () => {
  await using vhost = await freshVhost();
  await using transport = await openRabbitmq({ url: vhost.url, logger });
  await transport.connected(10_000);

  for (const name of ["attune.events", "attune.executions", "attune.dlx"]) {
    const exchange = await vhost.manage("GET", `/api/exchanges/{vhost}/${name}`);
    expect(exchange).toMatchObject({ type: "topic", durable: true, auto_delete: false });
  }
  const ways = await vhost.manage("GET", "/api/bindings/{vhost}/e/attune.events/e/attune.executions");
  expect(ways).toMatchObject([{ routing_key: "enforcement.#" }]);
  const queue = await vhost.manage("GET", "/api/queues/{vhost}/attune.dead-letters");
  expect(queue).toMatchObject({ durable: true, arguments: { "x-max-length": 10_000 } });
});

test("no queue exists that nobody consumes, but the one for dead letters", async () => {
  await using vhost = await freshVhost();
  await using transport = await openRabbitmq({ url: vhost.url, logger });
  const subscription = await transport.subscribe(events, recorder().onMessage);
  await transport.publish(outgoing());
  const during = await queueNames(vhost);

  await subscription[Symbol.asyncDispose]();

  expect(during.length).toBe(2);
  await expect.poll(() => queueNames(vhost), soon).toEqual(["attune.dead-letters"]);
});

test("a message carries its id, correlation, type, time, sender and headers as AMQP properties, and is persistent", async () => {
  await using vhost = await freshVhost();
  await using transport = await openRabbitmq({ url: vhost.url, logger });
  await transport.connected(10_000);
  const connection = await connect(vhost.url);
  const channel = await connection.createChannel();
  const { queue } = await channel.assertQueue("", { exclusive: true });
  await channel.bindQueue(queue, "attune.events", "#");
  const received: ConsumeMessage[] = [];
  await channel.consume(queue, (message) => message !== null && received.push(message));
  const message = outgoing({
    correlationId: "the event",
    headers: { trigger_ref: "demo.tick", pack_ref: "demo" },
  });

  await transport.publish(message);

  await expect.poll(() => received.length, soon).toBe(1);
  expect(received[0]?.properties).toMatchObject({
    messageId: message.messageId,
    correlationId: "the event",
    type: "EventCreated",
    timestamp: 1_795_000_000,
    contentType: "application/json",
    appId: "attune-sensor-agent",
    deliveryMode: 2,
    headers: { trigger_ref: "demo.tick", pack_ref: "demo" },
  });
  await connection.close();
});

test("an exchange that exists with other properties is a clear error without secrets", async () => {
  await using vhost = await freshVhost();
  await vhost.manage("PUT", "/api/exchanges/{vhost}/attune.executions", { type: "direct", durable: true });
  await using transport = await openRabbitmq({ url: vhost.url, logger });

  const connecting = transport.connected(1_000);

  await expect(connecting).rejects.toMatchObject({
    code: "BROKER_CONFLICT",
    reason: expect.stringMatching(
      /could not declare the exchange attune\.executions: .*PRECONDITION_FAILED.*delete it/,
    ),
  });
  await expect(connecting).rejects.not.toThrow(/attune:attune/);
});

test("a login that is refused, and a virtual host that is not there, are told without the password", async () => {
  await using vhost = await freshVhost();
  const wrongLogin = new URL(vhost.url);
  wrongLogin.password = "s3cret";
  const wrongVhost = new URL(vhost.url);
  wrongVhost.pathname = "/nowhere";
  await using first = await openRabbitmq({ url: wrongLogin.href, logger });
  await using second = await openRabbitmq({ url: wrongVhost.href, logger });

  const failures = await Promise.all(
    [first, second].map((transport) => transport.connected(1_000).catch(String)),
  );

  expect(failures[0]).toMatch(/ACCESS.REFUSED/);
  expect(failures[1]).toMatch(/at 127\.0\.0\.1:\d+\/nowhere: .*refused the virtual host/);
  expect(failures.join()).not.toContain("s3cret");
});

test.each(["", "nonsense", "http://user:s3cret@host/", "amqp://"])(
  "%j is no URL of a broker",
  async (url) => {
    await expect(openRabbitmq({ url, logger })).rejects.toMatchObject({
      code: "CONFIG_INVALID",
      message: expect.not.stringContaining("s3cret"),
    });
  },
);

test("a subscription whose queue was deleted is put in place again", async () => {
  await using vhost = await freshVhost();
  await using transport = await openRabbitmq({ url: vhost.url, logger });
  const seen = recorder();
  await transport.subscribe({ ...events, queue: "mine" }, seen.onMessage);

  await vhost.manage("DELETE", "/api/queues/{vhost}/mine");
  await expect.poll(async () => (await queueNames(vhost)).includes("mine"), soon).toBe(true);

  await expect
    .poll(async () => {
      await transport.publish(outgoing({ messageId: "after" }));
      return seen.ids().at(-1);
    }, soon)
    .toBe("after");
});

test("a message that the broker refuses for now is offered again until it is taken", async () => {
  await using vhost = await freshVhost();
  await using transport = await openRabbitmq({ url: vhost.url, logger });
  await transport.connected(10_000);
  const full = { durable: true, arguments: { "x-max-length": 1, "x-overflow": "reject-publish" } };
  await vhost.manage("PUT", "/api/queues/{vhost}/full", full);
  await vhost.manage("POST", "/api/bindings/{vhost}/e/attune.events/q/full", { routing_key: "#" });
  await transport.publish(outgoing());
  let isTaken = false;

  const refused = transport.publish(outgoing()).then(() => (isTaken = true));
  const later = Promise.race([refused, transport.publish(outgoing({ exchange: "attune.dlx" }))]);
  await later;
  const wasTakenWhileFull = isTaken;
  await vhost.manage("DELETE", "/api/queues/{vhost}/full/contents");
  await refused;

  expect([wasTakenWhileFull, isTaken]).toEqual([false, true]);
});

test("an exchange that was deleted is declared again, and the message that missed it arrives", async () => {
  await using vhost = await freshVhost();
  await using transport = await openRabbitmq({ url: vhost.url, logger });
  await transport.connected(10_000);
  await vhost.manage("DELETE", "/api/exchanges/{vhost}/attune.events");

  await transport.publish(outgoing());

  await expect(vhost.manage("GET", "/api/exchanges/{vhost}/attune.events")).resolves.toMatchObject({
    type: "topic",
  });
});

test("a queue that exists with other properties refuses the subscription and nothing else", async () => {
  await using vhost = await freshVhost();
  await vhost.manage("PUT", "/api/queues/{vhost}/taken", { durable: false });
  await using transport = await openRabbitmq({ url: vhost.url, logger });

  await expect(transport.subscribe({ ...events, queue: "taken" }, recorder().onMessage)).rejects.toThrow(
    /could not declare the queue taken: .*PRECONDITION_FAILED/,
  );

  await transport.publish(outgoing());
  expect(transport.health().state).toBe("up");
});
