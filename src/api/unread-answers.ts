/**
 * Answers that a client does not read.
 *
 * While an answer waits to be written, Node stops reading requests from its connection, but only after the chunk it has
 * just read. A chunk of 64 KiB holds more than a thousand pipelined requests, and all their answers would wait in memory.
 * So a connection's requests are handled one at a time: the next begins when the kernel has taken the previous answer.
 *
 * The answers of many connections share bounded memory (body-room.ts). When it is full, the connection with the largest answer of
 * the caller whose answers hold most is closed. Answers without a token have less, since anyone can ask for the API's description.
 *
 * A stream of server-sent events drops what its viewer does not read, and a WebSocket leaves the HTTP server.
 */
import type { Socket } from "node:net";
import { Readable } from "node:stream";
import type { FastifyInstance } from "fastify";
import { BodyRoom } from "./body-room.ts";
import { callerName } from "./request-bodies.ts";

type UnreadReason = "unread" | "pipelined";

/** Requests that may wait for the one before them, some 5 kB each: of one connection, and of all. */
const waitingMax = 1_000;
const waitingInAllMax = 10_000;

/** A connection takes about as much itself. */
const smallBytes = 8_192;
const callersBytesMax = 268_435_456;
const strangersBytesMax = 67_108_864;

/** Closes a connection, and says why; once. */
type Close = (socket: Socket, reason: UnreadReason) => void;

export function boundUnreadAnswers(server: FastifyInstance, refused: (reason: UnreadReason) => void): void {
  const close: Close = (socket, reason) => {
    if (socket.destroyed) return;
    refused(reason);
    socket.destroy();
  };
  boundWaitingRequests(server, close);
  boundHeldAnswers(server, close);
}

/** Stalled connections are found by their timeout, which Node postpones as long as it can write something. */
function boundWaitingRequests(server: FastifyInstance, close: Close): void {
  const waitingCounts = new WeakMap<Socket, number>();
  let waitingInAll = 0;
  const count = (socket: Socket, change: 1 | -1): number => {
    // What is left of its count goes with it.
    if (socket.destroyed) return 0;
    const before = waitingCounts.get(socket);
    if (before === undefined) socket.once("close", () => (waitingInAll -= waitingCounts.get(socket) ?? 0));
    const waiting = (before ?? 0) + change;
    waitingCounts.set(socket, waiting);
    waitingInAll += change;
    return waiting;
  };
  const closeStalled = (socket: Socket): void => {
    // With nothing to write, the request is still being handled.
    if (socket.writableLength > 0) close(socket, "unread");
  };
  server.addHook("onRequest", ({ raw: { socket } }, { raw: response }, done) => {
    response.on("timeout", closeStalled);
    // Node gives a response its socket when all earlier ones have been written.
    if (response.socket !== null) return done();
    if (count(socket, 1) > waitingMax || waitingInAll > waitingInAllMax) return close(socket, "pipelined");
    response.once("socket", () => {
      count(socket, -1);
      // Node is not done with the response yet.
      process.nextTick(done);
    });
  });
}

function boundHeldAnswers(server: FastifyInstance, close: Close): void {
  const callers = new BodyRoom(callersBytesMax);
  const strangers = new BodyRoom(strangersBytesMax);
  server.addHook("onSend", (request, { raw: response }, payload, done) => {
    const bytes = typeof payload === "string" || Buffer.isBuffer(payload) ? payload.length : 0;
    if (bytes > smallBytes && !response.destroyed) {
      const { socket } = request.raw;
      const room = request.routeOptions.config.roles === undefined ? strangers : callers;
      const body = room.open(callerName(request), () => close(socket, "unread"));
      // Also when the kernel has taken all of it.
      response.once("close", () => room.close(body));
      room.grow(body, bytes);
    }
    done(null, payload);
  });
}

const pieceBytes = 262_144;

/** For TLS: Node sees no progress within one write, and encrypts all of it first. */
export function writeInPieces(server: FastifyInstance): void {
  server.addHook("onSend", (_request, reply, payload, done) => {
    const isWhole = typeof payload === "string" || Buffer.isBuffer(payload);
    if (!isWhole || payload.length <= pieceBytes) return done(null, payload);
    const bytes = typeof payload === "string" ? Buffer.from(payload) : payload;
    reply.header("content-length", bytes.length);
    done(null, Readable.from(piecesOf(bytes)));
  });
}

function* piecesOf(bytes: Buffer): Generator<Buffer, void, void> {
  for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
}
