/**
 * The service's connection to its message queue, by the names the platform knows: connect, publish,
 * isHealthy, close. What is behind it, a broker or this process, is the transport's matter.
 */
import { randomUUID } from "node:crypto";
import { encodeEnvelope, type EnvelopeOf } from "./messages/envelope.ts";
import type { MessageTransport } from "./message-transport.ts";
import { routingKeys, type PublishedType } from "./messages/message-types.ts";
import { openTransport, type TransportOptions } from "./open-transport.ts";

export class MessageQueue implements AsyncDisposable {
  /** For the parts that subscribe, or that have their messages ready. */
  readonly transport: MessageTransport;

  constructor(transport: MessageTransport) {
    this.transport = transport;
  }

  /**
   * Resolves at once; a broker is connected in the background, and again whenever it was away.
   *
   * @param url of RabbitMQ; undefined: messages stay in this process
   * @throws OperatorError when the URL is not one of AMQP
   */
  static async connect(url: string | undefined, options: TransportOptions): Promise<MessageQueue> {
    return new MessageQueue(await openTransport(url, options));
  }

  /**
   * Publishes to the exchange for events under the routing key of its type; resolves at the confirm.
   *
   * @throws MessageRefusedError
   */
  async publishEnvelope(envelope: EnvelopeOf<PublishedType>): Promise<void> {
    await this.transport.publish({
      routingKey: routingKeys[envelope.message_type],
      messageId: envelope.message_id,
      correlationId: envelope.correlation_id,
      type: envelope.message_type,
      timestampMs: Date.parse(envelope.timestamp),
      body: encodeEnvelope(envelope),
    });
  }

  /** Publishes a body as it is, under a new message id and with its routing key as type. */
  async publish(exchange: string, routingKey: string, payload: Buffer | string): Promise<void> {
    const messageId = randomUUID();
    await this.transport.publish({
      exchange,
      routingKey,
      messageId,
      correlationId: messageId,
      type: routingKey,
      timestampMs: Date.now(),
      body: payload,
    });
  }

  isHealthy(): boolean {
    return this.transport.health().state === "up";
  }

  /** Lets confirms and handlers under way finish, for a bounded time. */
  close(): Promise<void> {
    return this[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.transport[Symbol.asyncDispose]();
  }
}
