import { describe, expect, test } from "vitest";
import { decodeMessage, type EnvelopeOf } from "../../src/messaging/messages/envelope.ts";
import { MessageQueue } from "../../src/messaging/message-queue.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { freshVhost } from "../support/rabbitmq.ts";
import { recorder } from "./conformance.ts";

const logger = silentLogger;
const everything = { exchange: "attune.events", bindings: ["#"], prefetch: 10 };
const soon = { timeout: 10_000 };

const envelope: EnvelopeOf<"RuleUpdated"> = {
  message_id: "0f8fad5b-d9cb-8003-8000-000000000001",
  correlation_id: "0f8fad5b-d9cb-8003-8000-000000000001",
  message_type: "RuleUpdated",
  version: "1.0",
  timestamp: "2026-11-21T09:30:00.250Z",
  headers: {
    retry_count: 0,
    source_service: "attune-sensor-agent",
    trace_id: undefined,
    traceparent: undefined,
    tracestate: undefined,
    replayed_from: undefined,
  },
  payload: {
    rule_id: "45",
    rule_ref: "core.every_minute",
    trigger_id: "3",
    trigger_ref: "core.intervaltimer",
    trigger_params: {},
    enabled: true,
  },
};

describe.each(["RabbitMQ", "this process"])("a message queue over %s", (kind) => {
  async function connect(): Promise<{ readonly queue: MessageQueue } & AsyncDisposable> {
    const vhost = kind === "RabbitMQ" ? await freshVhost() : undefined;
    const queue = await MessageQueue.connect(vhost?.url, { logger });
    return {
      queue,
      async [Symbol.asyncDispose]() {
        await queue.close();
        await vhost?.[Symbol.asyncDispose]();
      },
    };
  }

  test("publishes an envelope under the routing key of its type", async () => {
    await using connected = await connect();
    const { queue } = connected;
    const seen = recorder();
    await queue.transport.subscribe(everything, seen.onMessage);

    await queue.publishEnvelope(envelope);

    await expect.poll(() => seen.messages.length, soon).toBe(1);
    const [message] = seen.messages;
    expect(message).toMatchObject({ routingKey: "rule.updated", messageId: envelope.message_id });
    expect(decodeMessage(message?.body ?? "")).toEqual({ ok: true, envelope });
  });

  test("publishes bytes as they are", async () => {
    await using connected = await connect();
    const { queue } = connected;
    const seen = recorder();
    await queue.transport.subscribe(everything, seen.onMessage);

    await queue.publish("attune.events", "custom.key", Buffer.from([0, 255, 1]));

    await expect.poll(() => seen.messages.length, soon).toBe(1);
    expect(seen.messages[0]?.body).toEqual(Buffer.from([0, 255, 1]));
  });

  test("is healthy while it is connected, and refuses after close", async () => {
    await using connected = await connect();
    const { queue } = connected;

    await expect.poll(() => queue.isHealthy(), soon).toBe(true);
    await queue.close();

    await expect(queue.publishEnvelope(envelope)).rejects.toThrow(/closed/);
  });
});

test("a missing broker is not healthy", async () => {
  await using queue = await MessageQueue.connect("amqp://attune:attune@127.0.0.1:1/", { logger });

  expect(queue.isHealthy()).toBe(false);
});
