/** An HTTP or HTTPS server without routes: its limits, and one form for everything that goes wrong. */
import type { IncomingMessage } from "node:http";
import { Server as HttpsServer } from "node:https";
import type { FastifyInstance, FastifyServerOptions } from "fastify";
import type { Logger } from "../telemetry/logger.ts";
import type { Certificate } from "./certificate.ts";
import { ConnectionRefusals, type ConnectionRefusal } from "./connection-refusals.ts";
import {
  addErrorAnswers,
  answerClientError,
  answerExpectation,
  answerFailure,
  RequestError,
} from "./errors.ts";
import { Handshakes } from "./handshakes.ts";
import { OwedAnswers } from "./owed-answers.ts";
import { requestId, sendRequestIds } from "./request-id.ts";
import { RouteList } from "./route-list.ts";
import { boundUnreadAnswers, writeInPieces } from "./unread-answers.ts";

export interface HttpServerOptions {
  /** Undefined: plain HTTP. */
  readonly certificate: Certificate | undefined;
  /** Whether the `X-Forwarded-For` of a proxy at this address is believed. */
  readonly isTrustedProxy: (address: string) => boolean;
  /** Whether a request for another protocol is answered in it; left out: all are answered over HTTP. */
  readonly isUpgrade?: (request: IncomingMessage) => boolean;
  /** The server closed a connection that it cannot serve. */
  readonly onConnectionRefused?: ((reason: ConnectionRefusal) => void) | undefined;
  readonly logger: Logger;
  /** A connection is closed when nothing of an answer was taken for so long. */
  readonly unreadMsMax?: number;
}

const bodyBytesMax = 1_048_576;
const headerBytesMax = 16_384;
const pathPartLengthMax = 256;
const requestMsMax = 10_000;
/** How often connections are checked for requests that take too long to arrive. */
const requestCheckMs = 10_000;
/** Longer than clients and load balancers keep a connection for reuse, so that they close it and no request meets its end. */
const idleMsMax = 100_000;
const defaultUnreadMsMax = 100_000;
/** Beyond it new connections are closed at once. Each takes a file descriptor. */
const connectionsMax = 10_000;

export async function createHttpServer(options: HttpServerOptions): Promise<FastifyInstance> {
  const { certificate, isTrustedProxy, isUpgrade = () => false, onConnectionRefused, logger } = options;
  const { unreadMsMax = defaultUnreadMsMax } = options;
  const refusals = new ConnectionRefusals({ connectionsMax, logger, count: onConnectionRefused });
  const { fastify } = await import("fastify");
  const transport = {
    maxHeaderSize: headerBytesMax,
    headersTimeout: requestMsMax,
    connectionsCheckingInterval: requestCheckMs,
    shouldUpgradeCallback: isUpgrade,
  };
  const settings: FastifyServerOptions = {
    bodyLimit: bodyBytesMax,
    requestTimeout: requestMsMax,
    keepAliveTimeout: idleMsMax,
    connectionTimeout: unreadMsMax,
    routerOptions: { maxParamLength: pathPartLengthMax },
    trustProxy: isTrustedProxy,
    requestIdHeader: false,
    genReqId: requestId,
    // A probe that keeps its connection open must not delay the stop.
    forceCloseConnections: "idle",
    // Fastify's own answer has another shape; refuseWhileStopping gives ours.
    return503OnClosing: false,
    clientErrorHandler: (error: Error & { readonly code?: string }, socket) => {
      if (answerClientError(error, socket, owed)) refusals.requestUnreadable(error.code);
    },
    frameworkErrors: (error, request, reply) => {
      answerFailure(error, request, reply, logger);
    },
  };
  // Fastify types its two servers apart; everything that is used of them is the same.
  const transportSettings: object =
    certificate === undefined
      ? { http: transport }
      : {
          https: {
            ...transport,
            handshakeTimeout: requestMsMax,
            ...certificate,
            ...clientCheck(certificate),
          },
        };
  const server: FastifyInstance = fastify({ ...settings, ...transportSettings });
  // A scope reads bodies through request-bodies.ts, which bounds them, or not at all.
  server.removeAllContentTypeParsers();
  const owed = new OwedAnswers(server.server);
  server.server.maxConnections = connectionsMax;
  server.server.on("connection", () => refusals.accepted()).on("drop", () => refusals.overLimit());
  // Before answers become streams of pieces.
  boundUnreadAnswers(server, (reason) => refusals.answersUnread(reason));
  if (server.server instanceof HttpsServer) {
    const handshakes = new Handshakes(server.server, (...failed) => refusals.handshakeFailed(...failed));
    server.addHook("preClose", async () => handshakes.end());
    writeInPieces(server);
  }
  server.server.on("checkExpectation", answerExpectation);
  sendRequestIds(server);
  refuseWhileStopping(server);
  const routes = new RouteList();
  server.addHook("onRoute", ({ url, method }) => routes.add(url, [method].flat()));
  addErrorAnswers(server, routes, logger);
  return server;
}

/** Asks for a client certificate without requiring one, since most clients have none; routes that need one check it. */
function clientCheck({ ca }: Certificate): object {
  return ca === undefined ? {} : { requestCert: true, rejectUnauthorized: false };
}

/** Requests can still arrive over connections that are open. */
function refuseWhileStopping(server: FastifyInstance): void {
  let isStopping = false;
  server.addHook("preClose", async () => {
    isStopping = true;
  });
  server.addHook("onRequest", async () => {
    if (isStopping) throw new RequestError("UNAVAILABLE", "The agent is stopping.");
  });
}
