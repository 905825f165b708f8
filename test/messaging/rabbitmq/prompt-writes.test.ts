import { Socket } from "node:net";
import { expect, test, vi } from "vitest";
import type { OutgoingMessage } from "../../../src/messaging/message-transport.ts";
import { brokerAddress } from "../../../src/messaging/rabbitmq/address.ts";
import { PublishWindow } from "../../../src/messaging/rabbitmq/publish-window.ts";
import { openPublisher } from "../../../src/messaging/rabbitmq/publisher.ts";
import { openSession } from "../../../src/messaging/rabbitmq/session.ts";
import { freshVhost } from "../../support/rabbitmq.ts";

function message(messageId: string, body: string): OutgoingMessage {
  return { routingKey: "r", messageId, correlationId: messageId, type: "T", timestampMs: 0, body };
}

// Goal: a message waits for nothing else that this process has to do, and the messages of a turn need one system call.
// Method: look at the socket at the end of the turn, which is before amqplib writes without being asked.
test("the messages published in a turn are written together at its end, and all are confirmed", async () => {
  await using vhost = await freshVhost();
  const session = await openSession({
    address: brokerAddress(vhost.url),
    tls: {},
    connectionName: "test",
    heartbeatSeconds: 10,
    connectTimeoutMs: 5_000,
    onHeard: () => {},
    onBlocked: () => {},
  });
  const channel = await session.connection.createChannel();
  await channel.assertExchange("e", "topic");
  const window = new PublishWindow({ countMax: 1_000, bytesMax: 64 * 1_024 * 1_024 }, () =>
    performance.now(),
  );
  (await openPublisher(session, "e")).feedFrom(window);
  const inner: object = session.connection.connection;
  const socket = "stream" in inner && inner.stream instanceof Socket ? inner.stream : new Socket();
  const [single, together] = [vi.spyOn(socket, "_write"), vi.spyOn(socket, "_writev")];

  const few = Array.from({ length: 3 }, (_, n) => window.publish(message(`few-${n}`, "x".repeat(500))));
  await new Promise<void>((resolve) => process.nextTick(resolve));
  expect(together.mock.calls.map(([chunks]) => chunks.length)).toEqual([3]);
  expect(socket.writableLength).toBe(0);
  expect(await Promise.all(few)).toEqual(["unroutable", "unroutable", "unroutable"]);

  // More than the socket takes at once, so that some wait for it to drain.
  const many = Array.from({ length: 400 }, (_, n) =>
    window.publish(message(`many-${n}`, "x".repeat(1_000 * (n % 7)))),
  );
  expect(await Promise.all(many)).toEqual(many.map(() => "unroutable"));
  expect(single.mock.calls.length + together.mock.calls.length).toBeLessThan(100);
  await session.close(1_000);
});
