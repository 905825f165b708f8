/**
 * What is declared on a real broker, what a message looks like there, and what happens when someone
 * else has declared or deleted things.
 */
import { randomUUID } from "node:crypto";
import { connect, type Channel, type ConsumeMessage } from "amqplib";
import { expect, test } from "vitest";
import { openRabbitmq } from "../../src/messaging/rabbitmq/rabbitmq.ts";
import { namesOf } from "../../src/messaging/topology.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { freshVhost, type FreshVhost } from "../support/rabbitmq.ts";
import { recordingLogger } from "../support/recording-logger.ts";
import { outgoing, recorder } from "./conformance.ts";

const soon = { timeout: 15_000, interval: 20 };
const events = { exchange: "attune.events", bindings: ["#"], prefetch: 10 };
const logger = silentLogger;

/** Without this project's own code. */
async function connectTo({ url }: FreshVhost): Promise<{ readonly channel: Channel } & AsyncDisposable> {
  const connection = await connect(url);
  const channel = await connection.createChannel();
  return { channel, [Symbol.asyncDispose]: () => connection.close() };
}

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

test("no queue without a consumer exists, except the one for dead letters", async () => {
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

// Goal: this service works beside another system in one virtual host, whatever that has declared there.
// Method: declare by hand what the other system does, a direct exchange for dead letters and a queue of its own kind.
test("an exchange for dead letters of another type is left alone, and one of our own takes its place", async () => {
  await using vhost = await freshVhost();
  await vhost.manage("PUT", "/api/exchanges/{vhost}/attune.dlx", { type: "direct", durable: true });
  await vhost.manage("PUT", "/api/queues/{vhost}/attune.dead-letters", {
    durable: true,
    arguments: { "x-queue-type": "quorum" },
  });
  const { logger: recording, lines } = recordingLogger();
  await using transport = await openRabbitmq({ url: vhost.url, logger: recording });
  await transport.subscribe(events, async () => "dead-letter");
  await using raw = await connectTo(vhost);
  const letters: unknown[] = [];
  await raw.channel.consume("attune.dead-letters", (message) => {
    if (message !== null) letters.push(message.properties.messageId);
  });

  await transport.publish(outgoing({ messageId: "rejected" }));

  await expect.poll(() => letters, soon).toEqual(["rejected"]);
  const untouched = await vhost.manage("GET", "/api/exchanges/{vhost}/attune.dlx");
  expect(untouched).toMatchObject({ type: "direct" });
  expect(lines).toMatchObject([
    {
      level: "warn",
      message: expect.stringMatching(/exchange attune\.dlx cannot be declared: .*'direct'.*as it is/),
      fields: { dead_letter_exchange: "attune.dlx.topic" },
    },
    {
      level: "warn",
      message: expect.stringMatching(/queue attune\.dead-letters cannot be declared/),
    },
  ]);
});

test.each(["direct", "fanout"])(
  "exchanges of the type %s are used as they are: enforcements still reach attune.executions",
  async (type) => {
    await using vhost = await freshVhost();
    for (const name of ["attune.events", "attune.executions"]) {
      await vhost.manage("PUT", `/api/exchanges/{vhost}/${name}`, { type, durable: true });
    }
    await using transport = await openRabbitmq({ url: vhost.url, logger });
    const seen = recorder();
    const executions = { exchange: "attune.executions", bindings: ["enforcement.created"], prefetch: 1 };
    await transport.subscribe(executions, seen.onMessage);

    await transport.publish(outgoing({ routingKey: "enforcement.created", messageId: "enforced" }));

    await expect.poll(seen.ids, soon).toEqual(["enforced"]);
  },
);

test("a login without the right to declare uses what exists, and what is missing is reported", async () => {
  await using vhost = await freshVhost();
  const login = new URL(vhost.url);
  [login.username, login.password] = [`limited-${randomUUID()}`, "limited"];
  await vhost.manage("PUT", `/api/users/${login.username}`, { password: "limited", tags: "" });
  await vhost.manage("PUT", `/api/permissions/{vhost}/${login.username}`, {
    configure: "^$",
    write: "^attune\\.",
    read: "^attune\\.",
  });
  try {
    await using early = await openRabbitmq({ url: login.href, logger });
    const refused = early.connected(1_000);
    await expect(refused).rejects.toMatchObject({
      reason: expect.stringMatching(/could not declare the exchange attune\.events: .*ACCESS_REFUSED/),
    });
    await expect(refused).rejects.not.toThrow(/attune:attune/);
    await using owner = await openRabbitmq({ url: vhost.url, logger });
    await owner.connected(10_000);

    await using transport = await openRabbitmq({ url: login.href, logger });
    await transport.connected(10_000);
    expect(await transport.publish(outgoing())).toBe("unroutable");
  } finally {
    await vhost.manage("DELETE", `/api/users/${login.username}`);
  }
});

test("two installations with exchanges of their own do not meet in one virtual host", async () => {
  await using vhost = await freshVhost();
  const names = namesOf({
    exchange: "acme.events",
    executions_exchange: "acme.executions",
    dead_letter_exchange: "acme.dlx",
    dead_letter_queue: "acme.dead-letters",
  });
  await using ours = await openRabbitmq({ url: vhost.url, logger });
  await using theirs = await openRabbitmq({ url: vhost.url, logger, names });
  const [atOurs, atTheirs] = [recorder(), recorder()];
  await ours.subscribe({ ...events, exchange: "attune.executions" }, atOurs.onMessage);
  await theirs.subscribe({ ...events, exchange: "acme.executions" }, atTheirs.onMessage);

  await ours.publish(outgoing({ routingKey: "enforcement.created", messageId: "ours" }));
  const { exchange: _, ...unaddressed } = outgoing({
    routingKey: "enforcement.created",
    messageId: "theirs",
  });
  await theirs.publish(unaddressed);

  await expect.poll(() => [atOurs.ids(), atTheirs.ids()], soon).toEqual([["ours"], ["theirs"]]);
});

test("a message that no queue is bound for is confirmed and known to be unroutable", async () => {
  await using vhost = await freshVhost();
  await using transport = await openRabbitmq({ url: vhost.url, logger });
  await transport.subscribe({ ...events, bindings: ["rule.*"] }, recorder().onMessage);
  const keys = ["event.created", "rule.created", "enforcement.created", "rule.created"];

  const deliveries = await Promise.all(keys.map((routingKey) => transport.publish(outgoing({ routingKey }))));

  expect(deliveries).toEqual(["unroutable", "routed", "unroutable", "routed"]);
});

test("a refused login and a missing virtual host are reported without the password", async () => {
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

test("a message that a queue has no room for is refused, alone, and reaches the queues beside it once", async () => {
  await using vhost = await freshVhost();
  await using transport = await openRabbitmq({ url: vhost.url, logger });
  await transport.connected(10_000);
  const full = { durable: true, arguments: { "x-max-length": 1, "x-overflow": "reject-publish" } };
  await vhost.manage("PUT", "/api/queues/{vhost}/full", full);
  await vhost.manage("POST", "/api/bindings/{vhost}/e/attune.events/q/full", { routing_key: "event.#" });
  const seen = recorder();
  await transport.subscribe(events, seen.onMessage);
  await transport.publish(outgoing({ messageId: "taken" }));

  const refused = transport.publish(outgoing({ messageId: "refused" })).catch((error: unknown) => error);
  const passed = await transport.publish(outgoing({ messageId: "passed", routingKey: "rule.created" }));

  expect(await refused).toMatchObject({ name: "MessageRefusedError", isFinal: false });
  expect(passed).toBe("routed");
  await expect.poll(() => new Set(seen.ids()), soon).toEqual(new Set(["taken", "refused", "passed"]));
  expect(seen.messages).toHaveLength(3);
});

// Goal: messages that wait for a right or an exchange are sent soon after it is given, not an hour later.
test.each([
  ["the user may not write to", "forbidden"],
  ["does not exist", "missing"],
])("a message for an exchange that %s is refused, but not for good", async (_, exchange) => {
  await using vhost = await freshVhost();
  await vhost.manage("PUT", "/api/exchanges/{vhost}/forbidden", { type: "topic", durable: true });
  await setRights(vhost, "^(?!forbidden)");
  await using transport = await openRabbitmq({ url: vhost.url, logger });
  await transport.connected(10_000);

  const refused = transport.publish(outgoing({ exchange })).catch((error: unknown) => error);
  expect(await refused).toMatchObject({ name: "MessageRefusedError", isFinal: false });

  await setRights(vhost, ".*");
  await vhost.manage("PUT", "/api/exchanges/{vhost}/missing", { type: "topic", durable: true });
  expect(await transport.publish(outgoing({ exchange }))).toBe("unroutable");
});

async function setRights(vhost: FreshVhost, write: string): Promise<void> {
  const user = new URL(vhost.url).username;
  await vhost.manage("PUT", `/api/permissions/{vhost}/${user}`, { configure: ".*", write, read: ".*" });
}

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
