/**
 * Outages of RabbitMQ, with a private broker.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import type { RabbitmqServer } from "../../scripts/services/rabbitmq.ts";
import type { MessageTransport } from "../../src/messaging/message-transport.ts";
import { openRabbitmq, type RabbitmqOptions } from "../../src/messaging/rabbitmq/rabbitmq.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { startFaultProxy, type FaultProxy } from "../support/fault-proxy.ts";
import { privateBroker } from "../support/rabbitmq.ts";
import { recordingLogger } from "../support/recording-logger.ts";
import { outgoing, recorder } from "./conformance.ts";

let broker: RabbitmqServer;
beforeAll(async () => {
  broker = await privateBroker();
});
afterAll(async () => {
  await broker[Symbol.asyncDispose]();
});

const soon = { timeout: 20_000, interval: 20 };
const audit = { exchange: "attune.events", bindings: ["#"], queue: "audit", prefetch: 1_000 };

async function open(options: Partial<RabbitmqOptions> = {}): Promise<MessageTransport> {
  return openRabbitmq({ url: broker.url, logger: silentLogger, ...options });
}

async function proxied(): Promise<{ readonly proxy: FaultProxy; readonly url: string }> {
  const target = new URL(broker.url);
  const proxy = await startFaultProxy({ targetHost: target.hostname, targetPort: Number(target.port) });
  target.port = String(proxy.port);
  return { proxy, url: target.href };
}

/** Declares the durable queue and leaves it without a consumer. */
async function keepAudit(): Promise<void> {
  await using transport = await open();
  const subscription = await transport.subscribe(audit, recorder().onMessage);
  await subscription[Symbol.asyncDispose]();
}

/** What is in the durable queue, in order. */
async function readAudit(transport: MessageTransport, last: string): Promise<string[]> {
  const seen = recorder();
  await using _ = await transport.subscribe(audit, seen.onMessage);
  await expect.poll(() => seen.ids().at(-1), soon).toBe(last);
  return seen.ids().map(String);
}

// Goal: whatever becomes of the broker, every message is confirmed in the end and was stored by it,
// first arrivals in order, repetitions under the same id.
// Method: publish without pause, 500 at a time, while the broker ends and comes back.
test.each(["stop", "kill"] as const)(
  "messages in flight survive the broker's end (%s) and return",
  { timeout: 120_000 },
  async (end) => {
    await keepAudit();
    await using transport = await open();
    await transport.connected(10_000);
    const published: string[] = [];
    const enough = new AbortController();
    const publishing = (async () => {
      while (!enough.signal.aborted) {
        const batch = Array.from({ length: 500 }, (_, index) =>
          outgoing({ messageId: `${end}-${published.length + index}`, body: Buffer.alloc(1_000, "x") }),
        );
        published.push(...batch.map(({ messageId }) => messageId));
        await Promise.all(batch.map((message) => transport.publish(message)));
      }
    })();
    await expect.poll(() => published.length, soon).toBeGreaterThan(1_500);

    await broker[end]();
    await expect.poll(() => transport.health().state, soon).toBe("down");
    const before = published.length;
    await broker.start();
    await expect.poll(() => published.length, { ...soon, timeout: 60_000 }).toBeGreaterThan(before + 1_000);
    enough.abort();
    await publishing;

    const arrived = await readAudit(transport, published.at(-1) ?? "");
    expect([...new Set(arrived)]).toEqual(published);
  },
);

test(
  "an outage of 15 s is logged in a few lines, shown by health, and ends without intervention",
  { timeout: 120_000 },
  async () => {
    const { logger, lines } = recordingLogger();
    await using transport = await open({ logger });
    const seen = recorder();
    await transport.subscribe({ exchange: "attune.events", bindings: ["#"], prefetch: 10 }, seen.onMessage);

    await broker.stop();
    const stoppedAtMs = performance.now();
    await expect.poll(() => transport.health(), soon).toMatchObject({ state: "down" });
    const sending = transport.publish(outgoing({ messageId: "during the outage" }));
    await expect.poll(() => performance.now() - stoppedAtMs, soon).toBeGreaterThan(15_000);
    const { detail } = transport.health();
    await broker.start();
    await sending;
    await expect.poll(() => transport.health().state, soon).toBe("up");

    expect(detail).toMatch(/nothing listens on .*; messages sent and not confirmed: 1/);
    await expect
      .poll(async () => {
        await transport.publish(outgoing({ messageId: "after it" }));
        return seen.ids().at(-1);
      }, soon)
      .toBe("after it");
    expect(lines.length).toBeLessThanOrEqual(6);
    expect(lines.at(-1)).toMatchObject({
      message: expect.stringContaining("is up again"),
      fields: { failures: expect.any(Number) },
    });
    expect(JSON.stringify(lines)).not.toContain("attune:attune");
  },
);

test("a transport opened while the broker is down connects when it is up", { timeout: 60_000 }, async () => {
  await broker.stop();
  await using transport = await open();
  const atFirst = transport.health().state;
  const seen = recorder();
  const subscribing = transport.subscribe(
    { exchange: "attune.events", bindings: ["#"], prefetch: 10 },
    seen.onMessage,
  );
  await expect(transport.connected(500)).rejects.toMatchObject({
    code: "BROKER_UNREACHABLE",
    message: expect.stringMatching(
      /^could not connect to RabbitMQ at 127\.0\.0\.1:\d+\/: nothing listens on .*; check/,
    ),
  });

  await broker.start();
  await subscribing;
  await transport.publish(outgoing({ messageId: "first" }));

  expect(atFirst).toBe("starting");
  await expect.poll(seen.ids, soon).toEqual(["first"]);
});

test("a half-dead connection is noticed by its heartbeat and replaced", { timeout: 60_000 }, async () => {
  await keepAudit();
  const { proxy, url } = await proxied();
  await using _ = proxy;
  await using transport = await open({ url, heartbeatSeconds: 1, connectTimeoutMs: 1_000 });
  await transport.connected(10_000);

  proxy.freeze();
  const sending = Promise.all(["1", "2", "3"].map((messageId) => transport.publish(outgoing({ messageId }))));
  await expect
    .poll(() => transport.health(), soon)
    .toMatchObject({
      state: "down",
      detail: expect.stringMatching(/Heartbeat timeout|did not answer in time/),
    });
  proxy.resume();
  await sending;

  const arrived = await readAudit(transport, "3");
  expect([...new Set(arrived)].slice(-3)).toEqual(["1", "2", "3"]);
});

test("a connection cut over and over loses nothing", { timeout: 60_000 }, async () => {
  await keepAudit();
  const { proxy, url } = await proxied();
  await using _ = proxy;
  await using transport = await open({ url });
  const ids = Array.from({ length: 5_000 }, (_unused, index) => `cut-${index}`);

  const sending = Promise.all(ids.map((messageId) => transport.publish(outgoing({ messageId }))));
  for (let cut = 1; cut <= 5; cut += 1) {
    await expect.poll(() => proxy.connectionsAccepted, soon).toBeGreaterThanOrEqual(cut);
    await transport.connected(10_000);
    proxy.cut();
  }
  await sending;

  const arrived = (await readAudit(transport, "cut-4999")).filter((id) => id.startsWith("cut-"));
  expect([...new Set(arrived)]).toEqual(ids);
});

test("a frozen or unreachable broker does not delay closing", { timeout: 60_000 }, async () => {
  const { proxy, url } = await proxied();
  await using _ = proxy;
  const frozen = await open({ url, closeLimitMs: 500 });
  await frozen.connected(10_000);
  proxy.freeze();
  const lost = frozen.publish(outgoing()).catch(String);
  const away = await open({ url: "amqp://attune:attune@127.0.0.1:1" });
  const waiting = away.publish(outgoing()).catch(String);
  const startedAtMs = performance.now();

  await Promise.all([frozen[Symbol.asyncDispose](), away[Symbol.asyncDispose]()]);

  expect(performance.now() - startedAtMs).toBeLessThan(20_000);
  expect(await lost).toMatch(/is closed/);
  expect(await waiting).toMatch(/is closed/);
});

test("a subscription that the broker never answers does not keep the transport from closing", async () => {
  const { proxy, url } = await proxied();
  await using _ = proxy;
  const transport = await open({ url, heartbeatSeconds: 600, closeLimitMs: 200 });
  await transport.connected(10_000);
  proxy.freeze();

  const subscribing = transport.subscribe(audit, recorder().onMessage).catch(String);
  await new Promise((resolve) => setImmediate(resolve));
  await transport[Symbol.asyncDispose]();

  expect(await subscribing).toMatch(/is closed/);
});

test(
  "a broker out of memory is a separate condition with its reason, and messages are published when it recovers",
  { timeout: 60_000 },
  async () => {
    await using transport = await open();
    await transport.connected(10_000);
    await broker.control("set_vm_memory_high_watermark", "0.00001");

    const sending = transport.publish(outgoing());
    await expect
      .poll(() => transport.health(), soon)
      .toMatchObject({
        state: "down",
        condition: "blocked",
        detail: expect.stringMatching(
          /accepts no messages \(low on memory\); messages sent and not confirmed: 1/,
        ),
      });
    await expect(transport.sensorQueues?.prepare("core.timer")).rejects.toThrow(
      /the broker accepts nothing now \(low on memory\)/,
    );
    await broker.control("set_vm_memory_high_watermark", "0.4");
    await sending;

    await expect.poll(() => transport.health(), soon).toMatchObject({ state: "up", condition: "up" });
    await transport.sensorQueues?.prepare("core.timer");
  },
);

test(
  "a broker that does not answer is reported long before its connection is abandoned",
  { timeout: 60_000 },
  async () => {
    const { proxy, url } = await proxied();
    await using _ = proxy;
    await using transport = await open({ url, heartbeatSeconds: 60, closeLimitMs: 100 });
    await transport.connected(10_000);

    proxy.freeze();
    const sending = transport.publish(outgoing());
    await expect
      .poll(() => transport.health(), soon)
      .toMatchObject({
        state: "down",
        condition: "silent",
        detail: expect.stringMatching(/has confirmed nothing for \d+ s; messages sent and not confirmed: 1/),
      });
    proxy.resume();
    await sending;

    expect(transport.health()).toMatchObject({ state: "up", condition: "up" });
  },
);
