import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { OutgoingMessage } from "../../../src/messaging/message-transport.ts";
import { PublishFrames } from "../../../src/messaging/rabbitmq/publish-frames.ts";
import { outgoing } from "../conformance.ts";

/** amqplib's own encoder, which it does not export. */
interface AmqplibEncoder {
  readonly BasicPublish: number;
  readonly BasicProperties: number;
  encodeMethod(method: number, channel: number, fields: object): Buffer;
  encodeProperties(properties: number, channel: number, size: number, fields: object): Buffer;
}

const require = createRequire(import.meta.url);
const amqplib: AmqplibEncoder = require(join(dirname(require.resolve("amqplib")), "lib/defs.js"));

const channel = 3;
const frameBytesMax = 4_096;

function amqplibBytes(message: OutgoingMessage, body: Buffer): Buffer {
  const { exchange = "events", routingKey, messageId, correlationId, type, timestampMs, headers } = message;
  const method = amqplib.encodeMethod(amqplib.BasicPublish, channel, {
    exchange,
    routingKey,
    mandatory: true,
  });
  const properties = amqplib.encodeProperties(amqplib.BasicProperties, channel, body.length, {
    contentType: "application/json",
    headers,
    deliveryMode: 2,
    correlationId,
    messageId,
    timestamp: Math.floor(timestampMs / 1_000),
    type,
    appId: "attune-sensor-agent",
  });
  const frames = [method, properties];
  for (let from = 0; from < body.length; from += frameBytesMax - 8) {
    const part = body.subarray(from, from + frameBytesMax - 8);
    const head = Buffer.from([3, 0, channel, 0, 0, part.length >> 8, part.length & 0xff]);
    frames.push(head, part, Buffer.of(0xce));
  }
  return Buffer.concat(frames);
}

async function written(publish: (frames: PublishFrames) => void): Promise<readonly Buffer[]> {
  const chunks: Buffer[] = [];
  publish(
    new PublishFrames({
      channel,
      frameBytesMax,
      exchange: "events",
      write: (bytes) => void chunks.push(bytes),
    }),
  );
  await new Promise((resolveTick) => setImmediate(resolveTick));
  return chunks;
}

const shortText = fc.string({ unit: "grapheme", maxLength: 20 });

const message: fc.Arbitrary<OutgoingMessage> = fc.record(
  {
    exchange: shortText,
    // Few, so that messages with the same key and other properties follow each other.
    routingKey: fc.constantFrom("event.created", "enforcement.created", "schlüssel"),
    messageId: shortText,
    correlationId: shortText,
    type: fc.constantFrom("EventCreated", "EnforcementCreated"),
    timestampMs: fc.nat({ max: 2 ** 45 }),
    headers: fc.dictionary(shortText, shortText, { maxKeys: 4 }),
    body: fc
      .oneof(fc.uint8Array({ maxLength: 200 }), fc.uint8Array({ minLength: 4_000, maxLength: 9_000 }))
      .map((bytes) => Buffer.from(bytes)),
  },
  { requiredKeys: ["routingKey", "messageId", "correlationId", "type", "timestampMs", "body"] },
);

// Goal: the broker reads what amqplib would have sent.
// Method: any messages, one after the other, with amqplib's encoder as the oracle.
test("messages are encoded as amqplib encodes them", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(message, { maxLength: 30 }), async (messages) => {
      const repeated = [...messages, ...messages];

      const chunks = await written((frames) => {
        for (const each of repeated) frames.publish(each, Buffer.from(each.body));
      });

      const expected = repeated.map((each) => amqplibBytes(each, Buffer.from(each.body)));
      expect(Buffer.concat(chunks).equals(Buffer.concat(expected))).toBe(true);
    }),
    { numRuns: 200 },
  );
});

test("messages of one tick are written at once", async () => {
  const chunks = await written((frames) => {
    for (let n = 0; n < 50; n += 1) frames.publish(outgoing({ messageId: `${n}` }), Buffer.from("{}"));
  });

  expect(chunks).toHaveLength(1);
});

test("what was written is not overwritten by later messages", async () => {
  const body = Buffer.alloc(40_000, "x");
  const messages = Array.from({ length: 6 }, (_, n) => outgoing({ messageId: `message ${n}` }));

  const chunks = await written((frames) => {
    for (const each of messages) frames.publish(each, body);
  });

  const expected = messages.map((each) => amqplibBytes(each, body));
  expect(Buffer.concat(chunks).equals(Buffer.concat(expected))).toBe(true);
});

test.each([
  ["routing key", { routingKey: "k".repeat(256) }],
  ["exchange", { exchange: "é".repeat(128) }],
  ["message id", { messageId: "i".repeat(256) }],
  ["header's name", { headers: { ["h".repeat(256)]: "" } }],
])("a %s beyond what AMQP allows is refused, and nothing of the message is written", async (what, fields) => {
  const chunks = await written((frames) => {
    expect(() => frames.publish(outgoing(fields), Buffer.from("{}"))).toThrow(
      `the ${what} has 256 bytes, and AMQP allows 255`,
    );
  });

  expect(chunks).toEqual([]);
});

test("headers that fill more than a frame are refused", async () => {
  const headers = { long: "x".repeat(frameBytesMax) };

  await written((frames) => {
    expect(() => frames.publish(outgoing({ headers }), Buffer.from("{}"))).toThrow("headers are too long");
  });
});
