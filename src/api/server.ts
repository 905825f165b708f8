/**
 * The HTTP API.
 *
 *     /health, /metrics   what this process knows about itself. Answered from memory, also while the database
 *                         and the broker are away, to everyone who reaches the address.
 *     /api/v1/…           the platform's resources, read from the database, for callers that authentication.ts
 *                         admits.
 *
 * Health and metrics can have a listener of their own, on an address that probes and Prometheus reach from
 * outside while the API stays on loopback. That listener never serves more than these.
 *
 * Fastify is loaded only when the API is started.
 */
import type { FastifyInstance } from "fastify";
import { settlesWithin } from "../concurrency/settles-within.ts";
import type { Listener } from "../config/listeners.ts";
import { messageOf } from "../errors/caught.ts";
import { OperatorError } from "../errors/operator-error.ts";
import type { Logger } from "../telemetry/logger.ts";
import {
  addErrorAnswers,
  answerClientError,
  answerExpectation,
  answerFailure,
  RequestError,
} from "./errors.ts";
import type { HealthSource, MetricsSource } from "./ports.ts";
import { addResourceRoutes, type Platform } from "./resource-routes.ts";
import { RouteList } from "./route-list.ts";
import { addHealthRoutes } from "./routes/health.ts";
import { addMetricsRoute } from "./routes/metrics.ts";

export interface ApiOptions extends Listener {
  readonly health: HealthSource;
  readonly metrics: MetricsSource;
  /** Left out: this listener serves health and metrics alone. */
  readonly platform?: Platform;
  readonly logger: Logger;
}

export interface Api extends AsyncDisposable {
  /** Where it answers, for example http://127.0.0.1:8080. */
  readonly address: string;
}

const bodyBytesMax = 1_048_576;
const headerBytesMax = 16_384;
const pathPartLengthMax = 256;
const requestMsMax = 10_000;
/** How often connections are checked for requests that take too long to arrive. */
const requestCheckMs = 5_000;
const closeMsMax = 2_000;
/** Longer than clients and load balancers keep a connection for reuse, so that they close it and no request meets its end. */
const idleMsMax = 100_000;

/** @throws OperatorError PORT_IN_USE when the address cannot be bound */
export async function startApi(options: ApiOptions): Promise<Api> {
  const server = await createServer(options);
  const address = await listen(server, options);
  return {
    address,
    async [Symbol.asyncDispose]() {
      const closed = server.close();
      if (await settlesWithin(closed, closeMsMax)) return;
      server.server.closeAllConnections();
      await closed;
    },
  };
}

async function createServer({ health, metrics, platform, logger }: ApiOptions): Promise<FastifyInstance> {
  const { fastify } = await import("fastify");
  const server = fastify({
    bodyLimit: bodyBytesMax,
    requestTimeout: requestMsMax,
    keepAliveTimeout: idleMsMax,
    http: {
      maxHeaderSize: headerBytesMax,
      headersTimeout: requestMsMax,
      connectionsCheckingInterval: requestCheckMs,
    },
    routerOptions: { maxParamLength: pathPartLengthMax },
    // A probe that keeps its connection open must not delay the stop.
    forceCloseConnections: "idle",
    // Fastify's own answer has another shape; refuseWhileStopping gives ours.
    return503OnClosing: false,
    clientErrorHandler: answerClientError,
    frameworkErrors: (error, request, reply) => {
      answerFailure(error, request, reply, logger);
    },
  });
  server.server.on("checkExpectation", answerExpectation);
  refuseWhileStopping(server);
  const routes = new RouteList();
  server.addHook("onRoute", ({ url, method }) => routes.add(url, [method].flat()));
  addErrorAnswers(server, routes, logger);
  addHealthRoutes(server, health);
  addMetricsRoute(server, metrics);
  if (platform !== undefined) await addResourceRoutes(server, platform);
  return server;
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

async function listen(server: FastifyInstance, { section, host, port }: Listener): Promise<string> {
  try {
    return await server.listen({ host, port });
  } catch (cause) {
    throw new OperatorError({
      code: "PORT_IN_USE",
      attempt: `listen for HTTP on ${host}:${port}`,
      reason: messageOf(cause),
      remedy: `set ${section}.port to a free port, or ${section}.host to an address of this machine`,
      cause,
    });
  }
}
