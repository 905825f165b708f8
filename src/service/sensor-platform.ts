/** What standalone sensors of this worker talk to: this agent's API and, if it is shared with them, the broker. */
import { readFile } from "node:fs/promises";
import type { SensorTraces } from "../api/sensor-traces.ts";
import type { RuleNotifications } from "../api/websocket/rule-notifications.ts";
import type { Config } from "../config/schema.ts";
import type { SensorQueues as BrokerQueues } from "../messaging/sensor-queues.ts";
import type { Platform, SensorQueues } from "../sensors/ports.ts";
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
  { messageQueue }: Connections,
  { apiAddress, identity, notifications, traces }: PlatformParts,
): Platform | null {
  const { config } = options;
  if (apiAddress === undefined) return null;
  const apiUrl = config.api.url === undefined ? reachableAddress(apiAddress) : new URL(config.api.url).origin;
  const { notifier_ws_url: notifierUrl, allow_insecure_notifier_ws: isInsecureNotifierAllowed } =
    config.sensor;
  return {
    address: {
      apiUrl,
      notifierUrl: notifierUrl ?? `${apiUrl.replace(/^http/, "ws")}/ws`,
      isInsecureNotifierAllowed,
    },
    tokens: identity.sensorTokens,
    traces: {
      newestExpiryMs: (sensorRef) => traces.newestExpiryMs(sensorRef),
      rulesReadAtMs: (sensorRef) => traces.rulesReadAtMs(sensorRef),
      connectionCount: (sensorRef) =>
        notifierUrl === undefined ? notifications.countOf(sensorRef) : undefined,
    },
    queues: sharedQueues(config, messageQueue.transport.sensorQueues),
  };
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
  queues: BrokerQueues | undefined,
): SensorQueues | null {
  if (!sensor.share_broker || queues === undefined) return null;
  return {
    variables: async () => ({
      ATTUNE_MQ_URL:
        queue.url_file === undefined ? (queue.url ?? "") : (await readFile(queue.url_file, "utf8")).trim(),
      ATTUNE_MQ_EXCHANGE: queue.exchange,
    }),
    prepare: (sensorRef) => queues.prepare(sensorRef),
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
