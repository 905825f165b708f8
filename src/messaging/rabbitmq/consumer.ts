/**
 * One subscription on one connection: a channel of its own, a queue, its bindings, a consumer.
 *
 * The handler's verdict decides what becomes of a message, and only this file acknowledges. A message
 * whose channel ended before its verdict returns to the queue automatically.
 */
import type { Channel, ChannelModel, ConsumeMessage } from "amqplib";
import { settlesWithin } from "../../concurrency/settles-within.ts";
import { errorOf } from "../../errors/caught.ts";
import type { Logger } from "../../telemetry/logger.ts";
import { reasonOf } from "./session.ts";
import { declaring } from "./declare-topology.ts";
import type { IncomingMessage, OnMessage, Subscription, Verdict } from "../message-transport.ts";
import type { Topology } from "../topology.ts";

export interface AmqpConsumer {
  /** Why it ended without being asked to; settles once and never rejects. */
  readonly ended: Promise<Error>;
  /** Takes no further message, waits up to `limitMs` for the verdicts under way, closes the channel. */
  stop(limitMs: number): Promise<void>;
}

export async function startConsumer(
  connection: ChannelModel,
  topology: Topology,
  subscription: Subscription,
  onMessage: OnMessage,
  logger: Logger,
): Promise<AmqpConsumer> {
  const channel = await connection.createChannel();
  const end = Promise.withResolvers<Error>();
  channel.on("error", (error) => end.resolve(error));
  channel.on("close", () => end.resolve(new Error("the channel was closed")));
  const underWay = new Set<Promise<void>>();
  let isStopping = false;

  const deliver = async (delivery: ConsumeMessage): Promise<void> => {
    const verdict = await judge(delivery, onMessage, logger);
    try {
      settle(channel, delivery, verdict);
    } catch (error) {
      // The channel has closed; the broker delivers the message again.
      end.resolve(errorOf(error));
    }
  };

  const queue = await declareQueue(channel, subscription, topology);
  await channel.prefetch(subscription.prefetch);
  const { consumerTag } = await channel.consume(queue, (delivery) => {
    if (delivery === null) {
      end.resolve(new Error(`the broker cancelled the consumer of ${queue}: the queue is gone`));
      return;
    }
    // What comes before the cancellation is through stays unacknowledged, and so goes back.
    if (isStopping) return;
    const delivering = deliver(delivery).finally(() => underWay.delete(delivering));
    underWay.add(delivering);
  });

  return {
    ended: end.promise,
    stop: async (limitMs) => {
      isStopping = true;
      const cancelled = channel.cancel(consumerTag);
      const finished = cancelled.then(() => Promise.all(underWay)).then(() => channel.close());
      await settlesWithin(finished, limitMs);
    },
  };
}

async function declareQueue(
  channel: Channel,
  { exchange, bindings, queue }: Subscription,
  { names, deadLetterQueue }: Topology,
): Promise<string> {
  const isShared = queue !== undefined;
  const declared = await declaring(
    `the queue ${queue ?? "of a subscription"}`,
    channel.assertQueue(queue ?? "", {
      durable: isShared,
      exclusive: !isShared,
      autoDelete: !isShared,
      ...(queue === deadLetterQueue.name
        ? { maxLength: deadLetterQueue.lengthMax }
        : { deadLetterExchange: names.deadLetters }),
    }),
  );
  for (const pattern of bindings) {
    await declaring(
      `the binding of ${declared.queue} to ${exchange}`,
      channel.bindQueue(declared.queue, exchange, pattern),
    );
  }
  return declared.queue;
}

async function judge(delivery: ConsumeMessage, onMessage: OnMessage, logger: Logger): Promise<Verdict> {
  const { fields, properties, content } = delivery;
  const messageId: unknown = properties.messageId;
  const message: IncomingMessage = {
    exchange: fields.exchange,
    routingKey: fields.routingKey,
    messageId: typeof messageId === "string" ? messageId : undefined,
    isRedelivered: fields.redelivered,
    body: content,
  };
  try {
    return await onMessage(message);
  } catch (error) {
    const verdict = message.isRedelivered ? "dead-letter" : "requeue";
    logger.warn({ message_id: messageId, verdict, reason: reasonOf(error) }, "a message's handler failed");
    return verdict;
  }
}

function settle(channel: Channel, delivery: ConsumeMessage, verdict: Verdict): void {
  switch (verdict) {
    case "done":
      return channel.ack(delivery);
    case "requeue":
      return channel.nack(delivery, false, true);
    case "dead-letter":
      return channel.nack(delivery, false, false);
  }
}
