/**
 * The HTTP API of this version: what this process knows of itself, for people, orchestrators and
 * Prometheus. Every answer comes from memory and is given also while database and broker are away.
 *
 * Health and metrics can have a listener of their own, on an address that probes and Prometheus reach from outside while
 * the API stays on loopback. It never serves more than these.
 *
 * Fastify is loaded only when the API is started.
 */
import type { FastifyInstance } from "fastify";
import type { Listener } from "../config/listeners.ts";
import { settlesWithin } from "../concurrency/settles-within.ts";
import { messageOf } from "../errors/caught.ts";
import { OperatorError } from "../errors/operator-error.ts";
import type { Logger } from "../telemetry/logger.ts";
import { addErrorAnswers } from "./error-answers.ts";
import { addHealthRoutes, type HealthSource } from "./health-routes.ts";

export interface ApiOptions extends Listener {
  readonly health: HealthSource;
  readonly metrics: { readonly contentType: string; readonly text: () => Promise<string> };
  readonly logger: Logger;
}

export interface Api extends AsyncDisposable {
  /** Where it answers, for example http://127.0.0.1:8080. */
  readonly address: string;
}

const bodyBytesMax = 1_048_576;
const requestMsMax = 10_000;
const closeMsMax = 2_000;

/** @throws OperatorError PORT_IN_USE when the address cannot be bound */
export async function startApi({ section, host, port, health, metrics, logger }: ApiOptions): Promise<Api> {
  const { fastify } = await import("fastify");
  const server = fastify({
    bodyLimit: bodyBytesMax,
    requestTimeout: requestMsMax,
    keepAliveTimeout: requestMsMax,
    // A probe that keeps its connection open must not delay the stop.
    forceCloseConnections: "idle",
    return503OnClosing: true,
  });
  addErrorAnswers(server, logger);
  addHealthRoutes(server, health);
  server.get("/metrics", async (_request, reply) =>
    reply.type(metrics.contentType).send(await metrics.text()),
  );

  const address = await listen(server, { section, host, port });
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
