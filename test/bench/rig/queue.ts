/** The queue that benchmarks watch: bound to everything the agent publishes. */
import { connect, type Channel } from "amqplib";

export const eventsExchange = "attune.events";
const queueName = "bench";

/** Declares exchange, queue and binding; harmless when they are there. */
export async function declareQueue(channel: Channel): Promise<void> {
  await channel.assertExchange(eventsExchange, "topic", { durable: true });
  await channel.assertQueue(queueName, { durable: true });
  await channel.bindQueue(queueName, eventsExchange, "event.#");
  await channel.bindQueue(queueName, eventsExchange, "enforcement.#");
}

export interface WatchedQueue extends AsyncDisposable {
  /** How many messages wait in it. */
  depth(): Promise<number>;
  /** Takes every message from now on. */
  consume(onMessage: (routingKey: string, body: Buffer) => void): Promise<void>;
}

export async function watchQueue(url: string): Promise<WatchedQueue> {
  const connection = await connect(url);
  const channel = await connection.createChannel();
  await declareQueue(channel);
  return {
    async depth() {
      return (await channel.checkQueue(queueName)).messageCount;
    },
    async consume(onMessage) {
      const deliver = (message: { fields: { routingKey: string }; content: Buffer } | null): void => {
        if (message !== null) onMessage(message.fields.routingKey, message.content);
      };
      await channel.consume(queueName, deliver, { noAck: true });
    },
    [Symbol.asyncDispose]: () => connection.close(),
  };
}
