/**
 * The channel that messages are published on, with confirms.
 */
import { Duplex } from "node:stream";
import type { ChannelModel, ConfirmChannel } from "amqplib";
import { errorOf } from "../../errors/caught.ts";
import type { OutgoingMessage } from "../message-transport.ts";
import { PublishFrames } from "./publish-frames.ts";
import type { PublishWindow, SendResult } from "./publish-window.ts";

export interface AmqpPublisher {
  /**
   * Settles once and never rejects. With an error: the broker closed the channel because of a message.
   * Without: the connection ended.
   */
  readonly ended: Promise<Error | undefined>;
  /** Lets the window send here and hear the broker's answers, until the channel ends. */
  feedFrom(window: PublishWindow): void;
}

/** @param exchange of messages that name none */
export async function openPublisher(connection: ChannelModel, exchange: string): Promise<AmqpPublisher> {
  const channel = await connection.createConfirmChannel();
  const frames = framesOf(channel, exchange);
  const ended = Promise.withResolvers<Error | undefined>();
  /** What a socket held at its end is delivered after the end too; those tags mean nothing any more. */
  let isClosed = false;
  channel.on("error", (error: Error & { readonly code?: number }) => {
    // Soft errors of AMQP 0-9-1 are those a single message can cause; others are nobody's fault.
    const { code } = error;
    isClosed = true;
    ended.resolve(code !== undefined && code >= 300 && code < 500 ? error : undefined);
  });
  channel.on("close", () => {
    isClosed = true;
    ended.resolve(undefined);
  });
  return {
    ended: ended.promise,
    feedFrom(window) {
      channel.on("return", ({ properties }) => {
        const messageId: unknown = properties.messageId;
        if (!isClosed && typeof messageId === "string") window.markReturned(messageId);
      });
      // By tag rather than by callback: one listener instead of a closure for every message.
      channel.on("ack", ({ deliveryTag, multiple }) => {
        if (!isClosed) window.confirm(deliveryTag, multiple);
      });
      channel.on("nack", ({ deliveryTag, multiple }) => {
        if (!isClosed) window.refuse(deliveryTag, multiple);
      });
      window.open((message, body) => (isClosed ? "closing" : send(frames, message, body)));
    },
  };
}

/**
 * The frames of this channel, written to the connection's socket. Nothing else is sent on the channel once it is open, so
 * they need not queue behind amqplib's own.
 */
function framesOf(channel: ConfirmChannel, exchange: string): PublishFrames {
  const connection: object = channel.connection;
  if (
    "ch" in channel &&
    typeof channel.ch === "number" &&
    "frameMax" in connection &&
    typeof connection.frameMax === "number" &&
    "stream" in connection &&
    connection.stream instanceof Duplex &&
    "sendBytes" in connection &&
    typeof connection.sendBytes === "function"
  ) {
    const { stream } = connection;
    // It also notes that a heartbeat is not due.
    const sendBytes: (bytes: Buffer) => void = connection.sendBytes.bind(connection);
    return new PublishFrames({
      channel: channel.ch,
      frameBytesMax: connection.frameMax,
      exchange,
      write: (bytes) => {
        if (stream.writable) sendBytes(bytes);
      },
    });
  }
  throw new Error("amqplib no longer keeps its channel's number and its socket where it did");
}

function send(frames: PublishFrames, message: OutgoingMessage, body: Buffer): SendResult {
  try {
    frames.publish(message, body);
    return "sent";
  } catch (error) {
    // It cannot be written in AMQP at all, for example a routing key above 255 bytes.
    return errorOf(error);
  }
}
