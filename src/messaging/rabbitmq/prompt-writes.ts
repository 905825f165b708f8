/**
 * Writes what was published in a turn of the event loop at the end of that turn, in one piece.
 *
 * amqplib collects the frames of all channels in a multiplexer, which passes them to the socket in a later turn
 * (`setImmediate`), in one system call each. In between, a busy loop reads its other sockets first, so a message waited
 * for about as long as its event took to commit. And each of those calls wakes the broker, which on a small machine takes
 * the processor away from this process.
 *
 * The multiplexer's `_readIncoming` is not public, but the one thing that amqplib itself calls in that later turn, and it
 * may be called at any time. If a version no longer has it, messages are sent when amqplib sends them.
 */
import type { Duplex } from "node:stream";
import type { ChannelModel } from "amqplib";

/** @returns to be called after publishing; calls within one turn are served together */
export function promptWrites({ connection }: ChannelModel, socket: Duplex): () => void {
  const flush = flushOf(connection);
  if (flush === undefined) return () => {};
  // When a full socket has room again, amqplib continues from this event.
  socket.prependListener("drain", () => {
    socket.cork();
    process.nextTick(() => socket.uncork());
  });
  let isDue = false;
  return () => {
    if (isDue) return;
    isDue = true;
    // Behind the tick in which the channel's stream shows the multiplexer that it has something to read.
    process.nextTick(() => {
      isDue = false;
      socket.cork();
      flush();
      socket.uncork();
    });
  };
}

function flushOf(connection: object): (() => void) | undefined {
  const muxer: unknown = "muxer" in connection ? connection.muxer : undefined;
  if (typeof muxer !== "object" || muxer === null || !("_readIncoming" in muxer)) return undefined;
  const { _readIncoming: read } = muxer;
  return typeof read === "function" ? () => void read.call(muxer) : undefined;
}
