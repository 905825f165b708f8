/**
 * The HTTP API.
 *
 *     /health, /metrics      what this process knows about itself. Answered from memory, also while the database
 *                            and the broker are unreachable, without a token.
 *     /openapi.json, /docs   what the API offers.
 *     /ui/                   the page for people, see static-files.ts and src/page.
 *     /ws                    changes of rules for sensors, see websocket/.
 *     /api/v1/…              the platform's resources, read from the database, for callers that authentication.ts
 *                            admits.
 *
 * Health and metrics can have a listener of their own, on an address that probes and Prometheus reach from
 * outside while the API stays on loopback. That listener never serves more than these.
 *
 * Fastify is loaded only when the API is started.
 */
import { Server as HttpsServer } from "node:https";
import type { FastifyInstance } from "fastify";
import { settlesWithin } from "../concurrency/settles-within.ts";
import { addressOf, type Listener } from "../config/listeners.ts";
import { addressMatcher } from "../config/networks.ts";
import type { Logger } from "../telemetry/logger.ts";
import { addressRefused } from "./demand-servable.ts";
import { followCertificate, readCertificate } from "./certificate.ts";
import { RequestError } from "./errors.ts";
import { createHttpServer } from "./http-server.ts";
import type { HealthSource, MetricsSource } from "./ports.ts";
import { readPageFiles } from "./page-files.ts";
import { addResourceRoutes, type Platform } from "./resource-routes.ts";
import { addHealthRoutes } from "./routes/health.ts";
import { addMetricsRoute } from "./routes/metrics.ts";
import { addOpenApiRoutes } from "./routes/openapi.ts";
import { addPageRoutes } from "./static-files.ts";
import { isWebSocketRequest, webSocketPaths } from "./websocket/handshake.ts";
import type { RuleNotifications } from "./websocket/rule-notifications.ts";

export interface ApiParts {
  readonly health: HealthSource;
  readonly metrics: MetricsSource;
  /** Left out: this listener serves health and metrics alone. */
  readonly platform?: Platform;
}

export interface ApiOptions extends Listener, ApiParts {
  /** Left out: no WebSockets. Closed with the API. */
  readonly notifications?: RuleNotifications;
  /** Addresses and networks of proxies whose X-Forwarded-For is believed; left out: none. */
  readonly trustedProxies?: readonly string[];
  readonly logger: Logger;
}

export interface Api extends AsyncDisposable {
  /** Where it answers, for example http://127.0.0.1:8080. */
  readonly address: string;
}

const closeMsMax = 2_000;

/**
 * @throws OperatorError PORT_IN_USE when the address cannot be bound
 * @throws OperatorError TLS_FAILED when the certificate cannot be used
 */
export async function startApi(options: ApiOptions): Promise<Api> {
  const { tls, trustedProxies = [], notifications, platform, metrics, logger } = options;
  const certificate = tls === undefined ? undefined : readCertificate(tls);
  const server = await createHttpServer({
    certificate,
    isTrustedProxy: addressMatcher(trustedProxies),
    isUpgrade: (request) => notifications !== undefined && isWebSocketRequest(request),
    onConnectionRefused: metrics.httpConnectionRefused,
    logger,
  });
  await addRoutes(server, options);
  if (notifications !== undefined) addHandshakeAdvice(server);
  // Without a way to check tokens none is valid.
  notifications?.serve(server.server, platform?.authenticate ?? (async () => undefined));
  const address = await listen(server, options);
  const following =
    tls !== undefined && certificate !== undefined && server.server instanceof HttpsServer
      ? followCertificate(server.server, tls, certificate, logger)
      : undefined;
  return {
    address,
    async [Symbol.asyncDispose]() {
      following?.[Symbol.dispose]();
      await notifications?.close();
      const closed = server.close();
      if (await settlesWithin(closed, closeMsMax)) return;
      server.server.closeAllConnections();
      await closed;
    },
  };
}

export async function addRoutes(
  server: FastifyInstance,
  { health, metrics, platform }: ApiParts,
): Promise<void> {
  addHealthRoutes(server, health);
  addMetricsRoute(server, metrics);
  if (platform === undefined) return;
  addOpenApiRoutes(server);
  addPageRoutes(server, readPageFiles);
  await addResourceRoutes(server, platform);
}

/** A proxy that does not pass upgrades on must not look like a missing path. */
function addHandshakeAdvice(server: FastifyInstance): void {
  for (const path of webSocketPaths) {
    server.get(path, async () => {
      throw new RequestError(
        "BAD_REQUEST",
        `${path} expects a WebSocket handshake, with the headers "Connection: Upgrade" and "Upgrade: websocket"; a proxy in between has to pass them on.`,
      );
    });
  }
}

async function listen(server: FastifyInstance, listener: Listener): Promise<string> {
  try {
    // Given the name localhost, Fastify opens a second server for ::1, which has none of our limits.
    return await server.listen({ host: await addressOf(listener), port: listener.port });
  } catch (cause) {
    throw addressRefused(listener, cause);
  }
}
