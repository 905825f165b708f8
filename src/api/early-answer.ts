/**
 * Answers to requests that have not arrived completely: the body is too large, the caller is not admitted, there is no room, or
 * Node's parser cannot read them.
 *
 * Many clients read no answer before they have sent everything. If the connection is closed under them, they report a broken
 * pipe, and the answer is lost. So the answer is sent at once and only the sending side is closed; what still arrives is
 * read and dropped, within bounds.
 */
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { FastifyReply, FastifyRequest } from "fastify";

/** The rest of such a body is not worth a new connection: Node drops it before the next request. */
const shortBytes = 65_536;
const droppedBytesMax = 268_435_456;
const droppedMsMax = 10_000;
/** A client that has sent nothing for so long waits for the answer, or has it. */
const silentMsMax = 2_000;

/** Sends a JSON answer, whether or not the request's body has arrived. */
export function sendEarly(
  { raw }: Pick<FastifyRequest, "raw">,
  reply: FastifyReply,
  body: object,
): FastifyReply {
  const bodyLength = raw.complete ? 0 : lengthOf(raw);
  const isClosing = reply.getHeader("connection") === "close" || !reply.raw.shouldKeepAlive;
  if (bodyLength > shortBytes || (bodyLength > 0 && isClosing)) {
    reply.header("connection", "close");
    dropRestBeforeClose(raw);
  }
  return reply.send(body);
}

/** Infinity: it is not known. */
function lengthOf({ headers }: IncomingMessage): number {
  if (headers["transfer-encoding"] !== undefined) return Number.POSITIVE_INFINITY;
  return Number(headers["content-length"] ?? 0);
}

/** Node calls `destroySoon` once the last answer of a connection is written. */
function dropRestBeforeClose(message: IncomingMessage): void {
  const { socket } = message;
  socket.destroySoon = () => {
    const rest = boundedRest(socket);
    message
      .on("error", rest.close)
      .on("data", rest.drop)
      .on("end", rest.close)
      .on("close", rest.close)
      .resume();
    socket.end();
    if (message.complete || message.destroyed) rest.close();
  };
}

/** Answers what Node's parser cannot read, and closes the connection: where the next request begins is unknown. */
export function endWith(answer: string, socket: Socket): void {
  const rest = boundedRest(socket);
  ignoreParser(socket).on("data", rest.drop).once("end", rest.close).resume();
  socket.end(answer);
}

/** The parser would complain about each piece of what follows something that it cannot read. */
export function ignoreParser(socket: Socket): Socket {
  return socket.removeAllListeners("data");
}

/** What still arrives over a connection that has its last answer. */
function boundedRest(socket: Socket): { drop: (chunk: Uint8Array) => void; close: () => void } {
  let left = droppedBytesMax;
  const close = (): void => {
    clearTimeout(timer);
    socket.destroy();
  };
  const timer = setTimeout(close, droppedMsMax);
  socket.setTimeout(silentMsMax, close).once("close", close);
  return {
    drop: (chunk) => {
      left -= chunk.length;
      if (left < 0) close();
    },
    close,
  };
}
