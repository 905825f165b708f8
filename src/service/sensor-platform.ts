/**
 * What the sensors of this worker talk to: this agent's API or another platform's and, if it is shared with them,
 * the broker.
 */
import { readFile } from "node:fs/promises";
import type { SensorTraces } from "../api/sensor-traces.ts";
import type { RuleNotifications } from "../api/websocket/rule-notifications.ts";
import type { Queryable } from "../database/database.ts";
import { rowsOf } from "../database/statement.ts";
import { rememberSensorQueue } from "../database/statements/sensor-queues.ts";
import { remotePlatformUrl } from "../config/listeners.ts";
import type { Config } from "../config/schema.ts";
import type { SensorQueues as BrokerQueues } from "../messaging/sensor-queues.ts";
import { RemoteTokens } from "../platform/remote-tokens.ts";
import { ForgottenQueues } from "../sensors/access/forgotten-queues.ts";
import type { Platform, PlatformAddress, SensorQueues, SensorTokens } from "../sensors/ports.ts";
import type { Connections } from "./connections.ts";
import type { OpenedIdentity } from "./identity-parts.ts";
import type { ServiceContext } from "./service-context.ts";

export interface PlatformParts {
  /** Where this agent's API answers; undefined: it is off. */
  readonly apiAddress: string | undefined;
  readonly identity: OpenedIdentity;
  readonly notifications: RuleNotifications;
  readonly traces: SensorTraces;
}

/** Null: there is no API for sensors. */
export function sensorPlatform(
  { options }: ServiceContext,
  { database, messageQueue }: Connections,
  { apiAddress, identity, notifications, traces }: PlatformParts,
): Platform | null {
  const { config, logger } = options;
  const queues = sharedQueues(config, database, messageQueue.transport.sensorQueues);
  const remoteUrl = remotePlatformUrl(config);
  if (remoteUrl !== undefined) {
    logger.info({ platform: remoteUrl }, `sensors use the API at ${remoteUrl}; this agent serves none`);
    return {
      address: addressOf(remoteUrl, config),
      tokens: remoteTokens(remoteUrl, config),
      traces: null,
      queues,
    };
  }
  if (apiAddress === undefined) return null;
  const apiUrl = config.api.url === undefined ? reachableAddress(apiAddress) : new URL(config.api.url).origin;
  return {
    address: addressOf(apiUrl, config),
    tokens: identity.sensorTokens,
    traces: {
      newestExpiryMs: (sensorRef) => traces.newestExpiryMs(sensorRef),
      usedAtMs: (sensorRef) => traces.usedAtMs(sensorRef),
      rulesReadAtMs: (sensorRef) => traces.rulesReadAtMs(sensorRef),
      connectionCount: (sensorRef) =>
        config.sensor.notifier_ws_url === undefined ? notifications.countOf(sensorRef) : undefined,
    },
    queues,
  };
}

/** Where the broker is shared with sensors: deletes the queues of those that no longer exist. */
export function openForgottenQueues(
  { options, lifetime, clock, random }: ServiceContext,
  { database, messageQueue }: Connections,
): void {
  const { config, logger } = options;
  const { transport } = messageQueue;
  if (!config.sensor.share_broker || transport.sensorQueues === undefined) return;
  const forgotten = new ForgottenQueues({
    database,
    queues: transport.sensorQueues,
    exchange: config.message_queue.exchange,
    isBrokerUp: () => transport.health().condition === "up",
    logger,
    clock,
    random,
  });
  lifetime.run((signal) => forgotten.run(signal));
}

function addressOf(apiUrl: string, { sensor }: Config): PlatformAddress {
  return {
    apiUrl,
    notifierUrl: sensor.notifier_ws_url ?? `${apiUrl.replace(/^http/, "ws")}/ws`,
    isInsecureNotifierAllowed: sensor.allow_insecure_notifier_ws,
  };
}

function remoteTokens(url: string, { security }: Config): SensorTokens {
  const { worker_token: workerToken } = security;
  if (workerToken !== undefined) return new RemoteTokens({ url, workerToken });
  const reason =
    `no token for the platform at ${url} is configured: ` +
    `set security.worker_token (ATTUNE_API_TOKEN) to one of the role worker`;
  return { mint: () => Promise.reject(new Error(reason)), revoke: async () => {} };
}

/** From a program on this machine: an API that listens on every address answers on loopback, too. */
function reachableAddress(apiAddress: string): string {
  const url = new URL(apiAddress);
  if (url.hostname === "0.0.0.0") url.hostname = "127.0.0.1";
  if (url.hostname === "[::]") url.hostname = "[::1]";
  return url.origin;
}

function sharedQueues(
  { sensor, message_queue: queue }: Config,
  database: Queryable,
  queues: BrokerQueues | undefined,
): SensorQueues | null {
  if (!sensor.share_broker || queues === undefined) return null;
  return {
    variables: async () => ({
      ATTUNE_MQ_URL:
        queue.url_file === undefined ? (queue.url ?? "") : (await readFile(queue.url_file, "utf8")).trim(),
      ATTUNE_MQ_EXCHANGE: queue.exchange,
    }),
    async prepare(sensorRef) {
      const place = { broker: await queues.home(), exchange: queue.exchange };
      await rowsOf(database, rememberSensorQueue, { ...place, sensorRef });
      await queues.prepare(sensorRef);
    },
    remove: (sensorRef) => queues.remove(sensorRef),
    async consumerCount(sensorRef) {
      try {
        // Without a queue nothing reaches the program.
        return (await queues.consumerCount(sensorRef)) ?? 0;
      } catch {
        return undefined;
      }
    },
  };
}
