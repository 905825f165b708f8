/**
 * The channel that messages are published on, with confirms.
 */
import { IllegalOperationError, type ConfirmChannel } from "amqplib";
import { errorOf } from "../../errors/caught.ts";
import { sourceService } from "../messages/envelope.ts";
import { MessageRefusedError, type OutgoingMessage } from "../message-transport.ts";
import type { PublishWindow, SendResult } from "./publish-window.ts";
import type { AmqpSession } from "./session.ts";

export interface AmqpPublisher {
  /**
   * Settles once and never rejects. With an error: the broker closed the channel because of a message.
   * Without: the connection ended.
   */
  readonly ended: Promise<MessageRefusedError | undefined>;
  /** Lets the window send here and hear the broker's answers, until the channel ends. */
  feedFrom(window: PublishWindow): void;
}

/** ACCESS_REFUSED and NOT_FOUND: not the message is at fault but a right or an exchange is missing, and may be given any time. */
const settingsCodes: ReadonlySet<number> = new Set([403, 404]);

/** @param exchange of messages that name none */
export async function openPublisher(
  { connection, writeSoon }: Pick<AmqpSession, "connection" | "writeSoon">,
  exchange: string,
): Promise<AmqpPublisher> {
  const channel = await connection.createConfirmChannel();
  const ended = Promise.withResolvers<MessageRefusedError | undefined>();
  channel.on("error", (error: Error & { readonly code?: number }) => ended.resolve(refusalIn(error)));
  channel.on("close", () => ended.resolve(undefined));
  return {
    ended: ended.promise,
    feedFrom(window) {
      // What a socket held at its end is delivered after the end too; those tags mean nothing any more.
      let hasEnded = false;
      void ended.promise.then(() => (hasEnded = true));
      channel.on("return", ({ properties }) => {
        const messageId: unknown = properties.messageId;
        if (!hasEnded && typeof messageId === "string") window.markReturned(messageId);
      });
      // By tag rather than by callback: one listener instead of a closure for every message.
      channel.on("ack", ({ deliveryTag, multiple }) => {
        if (!hasEnded) window.confirm(deliveryTag, multiple);
      });
      channel.on("nack", ({ deliveryTag, multiple }) => {
        if (!hasEnded) window.refuse(deliveryTag, multiple);
      });
      window.open((message, body) => {
        const result = send(channel, exchange, message, body);
        writeSoon();
        return result;
      });
    },
  };
}

/** Soft errors of AMQP 0-9-1 are those a single message can cause; others are nobody's fault. */
function refusalIn(error: Error & { readonly code?: number }): MessageRefusedError | undefined {
  const { code, message } = error;
  if (code === undefined || code < 300 || code >= 500) return undefined;
  return new MessageRefusedError(message, { isFinal: !settingsCodes.has(code), cause: error });
}

function send(
  channel: ConfirmChannel,
  usualExchange: string,
  message: OutgoingMessage,
  body: Buffer,
): SendResult {
  const {
    exchange = usualExchange,
    routingKey,
    messageId,
    correlationId,
    type,
    timestampMs,
    headers,
    contentType = "application/json",
  } = message;
  try {
    channel.publish(exchange, routingKey, body, {
      persistent: true,
      // The broker returns what no queue is bound for, and confirms it as well.
      mandatory: true,
      contentType,
      messageId,
      correlationId,
      type,
      // AMQP counts seconds.
      timestamp: Math.floor(timestampMs / 1000),
      appId: sourceService,
      ...(headers === undefined ? {} : { headers }),
    });
    return "sent";
  } catch (error) {
    if (error instanceof IllegalOperationError) return "closing";
    // It cannot be written in AMQP at all, for example a routing key above 255 bytes.
    return errorOf(error);
  }
}
