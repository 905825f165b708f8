/** The HTTP listeners, and the parts that the API uses. */
import type { HealthSource, Resources } from "../api/ports.ts";
import type { Platform } from "../api/resource-routes.ts";
import type { Diagnose } from "../api/routes/diagnosis.ts";
import type { Keys } from "../api/routes/keys.ts";
import type { SensorLogSource } from "../api/routes/sensor-logs.ts";
import type { WebhookReceiver } from "../api/routes/webhooks.ts";
import type { BacktestPorts } from "../api/routes/backtests.ts";
import type { ReplayPorts } from "../api/routes/replays.ts";
import type { ViewedStream } from "../api/routes/stream.ts";
import type { VerifyPorts } from "../api/routes/verify.ts";
import type { SensorOperations } from "../api/routes/sensor-operations.ts";
import type { SensorExplanations } from "../api/routes/explanations.ts";
import type { SensorTraces } from "../api/sensor-traces.ts";
import { startApi } from "../api/server.ts";
import type { RuleNotifications } from "../api/websocket/rule-notifications.ts";
import { listeners } from "../config/listeners.ts";
import type { Database, Queryable } from "../database/database.ts";
import { explainingDatabaseFailures } from "../database/explain-failure.ts";
import { readHistory } from "../database/history.ts";
import { readLikelyRef } from "../database/likely-ref.ts";
import { readPage } from "../database/page.ts";
import { SnapshotReads } from "../database/snapshot-reads.ts";
import { rowOf, rowsOf } from "../database/statement.ts";
import {
  enforcementConditions,
  enforcementTable,
  eventConditions,
  eventTable,
  readEnforcement,
  readEvent,
} from "../database/statements/event-list.ts";
import {
  deliveryConditions,
  deliveryTable,
  readDelivery,
} from "../database/statements/webhook-deliveries.ts";
import { gapConditions, gapTable } from "../database/statements/sensor-gaps.ts";
import { listSensors, readSensor } from "../database/statements/sensor-list.ts";
import { listTimers, readTimer, readTimerSlots } from "../database/statements/timer-list.ts";
import { listWorkers, readWorker } from "../database/statements/worker-list.ts";
import type { CloudEventTriggers } from "../events/posts/cloud-event-triggers.ts";
import { explainDedupKey, explainStoredEvent } from "../diagnosis/event-explanation.ts";
import { explainStoredRule, tryStoredRule } from "../diagnosis/rule-explanation.ts";
import { RulesInForce } from "../diagnosis/rules-in-force.ts";
import type { EventPosts } from "../events/posts/event-posts.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { authPorts, type OpenedIdentity } from "./identity-parts.ts";
import { databaseDefinitions } from "./definition-parts.ts";
import { agentDownloads } from "./download-parts.ts";
import { readRememberedPayloads } from "./schema-memory-parts.ts";
import type { ServiceContext } from "./service-context.ts";

interface ServedParts {
  readonly metrics: Metrics;
  readonly health: HealthSource;
  readonly identity: OpenedIdentity;
  readonly operations: SensorOperations & SensorLogSource & SensorExplanations;
  readonly posts: EventPosts;
  readonly cloudEventTriggers: CloudEventTriggers;
  readonly notifications: RuleNotifications;
  readonly traces: SensorTraces;
  readonly keys: Keys;
  readonly backtests: BacktestPorts["backtests"];
  readonly replay: ReplayPorts["replay"];
  readonly verification: VerifyPorts["verification"];
  readonly webhooks: WebhookReceiver;
  readonly stream: ViewedStream;
  readonly diagnose: Diagnose;
  /** For all reads on behalf of callers. */
  readonly reads: SnapshotReads;
}

/** @returns where the API answers; undefined if it is off */
export async function openApi(
  { options, lifetime, clock }: ServiceContext,
  database: Database,
  parts: ServedParts,
): Promise<string | undefined> {
  const { metrics, health, identity, operations, posts, notifications, traces, keys, webhooks, reads } =
    parts;
  const { backtests, replay, verification, stream, diagnose, cloudEventTriggers } = parts;
  const { config, logger } = options;
  const platform: Platform = {
    authenticate: traces.watching((token) => identity.authenticator.authenticate(token)),
    traces,
    auth: authPorts(database, identity, { isDevelopment: config.security.development }),
    resources: databaseResources(database, reads),
    eventPosts: {
      posts,
      clock,
      cloudEvents: {
        triggers: () =>
          explainingDatabaseFailures(`read triggers from the database at ${database.address}`, () =>
            cloudEventTriggers.table(),
          ),
      },
    },
    operations,
    keys,
    backtests: { backtests, clock, logger },
    replays: { replay, clock, logger },
    verify: { verification, clock, logger },
    webhooks,
    stream,
    diagnose,
    downloads: agentDownloads(options),
  };
  let apiAddress: string | undefined;
  for (const listener of listeners(config)) {
    const observed = { health, metrics, logger };
    const { address } = await lifetime.use(
      await startApi({
        ...listener,
        ...observed,
        trustedProxies: config.api.trusted_proxies,
        ...(listener.section === "api" ? { platform, notifications } : {}),
      }),
    );
    if (listener.section === "api") apiAddress = address;
    logger.info(
      { address },
      `answering ${listener.section === "api" ? "the API, " : ""}health and metrics at ${address}`,
    );
  }
  // Opened last: what waits is settled while the listeners still answer.
  lifetime.onClose(async () => posts.stop());
  return apiAddress;
}

export function databaseResources(database: Database, reads = new SnapshotReads(database)): Resources {
  const read = <T>(what: string, work: (rows: Queryable) => Promise<T>): Promise<T> =>
    explainingDatabaseFailures(`read ${what} from the database at ${database.address}`, () =>
      reads.read(work),
    );
  const rulesInForce = new RulesInForce();
  return {
    listWorkers: (order, request) => read("workers", (rows) => readPage(rows, listWorkers(order), request)),
    readWorker: (name) => read("a worker", (rows) => rowOf(rows, readWorker, name)),
    listSensors: (order, request) => read("sensors", (rows) => readPage(rows, listSensors(order), request)),
    listEvents: (filter, request) =>
      read("events", (rows) => readHistory(rows, eventTable, eventConditions(filter), request)),
    readEvent: (id) => read("an event", (rows) => rowOf(rows, readEvent, id)),
    listEnforcements: (filter, request) =>
      read("enforcements", (rows) =>
        readHistory(rows, enforcementTable, enforcementConditions(filter), request),
      ),
    readEnforcement: (id) => read("an enforcement", (rows) => rowOf(rows, readEnforcement, id)),
    listDeliveries: (filter, request) =>
      read("deliveries", (rows) => readHistory(rows, deliveryTable, deliveryConditions(filter), request)),
    listGaps: (filter, request) =>
      read("gaps of sensors", (rows) => readHistory(rows, gapTable, gapConditions(filter), request)),
    readDelivery: (id) => read("a delivery", (rows) => rowOf(rows, readDelivery, id)),
    readSensor: (name) => read("a sensor", (rows) => rowOf(rows, readSensor, name)),
    listTimers: (order, request) => read("timers", (rows) => readPage(rows, listTimers(order), request)),
    readTimer: (name, slotsMax) =>
      read("a timer", async (rows) => {
        const timer = await rowOf(rows, readTimer, name);
        if (timer === undefined) return undefined;
        const slots = await rowsOf(rows, readTimerSlots, { ruleId: timer.ruleId, limit: slotsMax });
        return { timer, slots };
      }),
    readSchemaMemory: (triggerRef) =>
      read("what payloads look like", (rows) => readRememberedPayloads(rows, triggerRef)),
    readMeantName: (kind, named) => read("names", (rows) => readLikelyRef(rows, kind, named)),
    explanations: {
      explainEvent: (id, ruleRef) =>
        read("what explains an event", (rows) => explainStoredEvent({ rows, rulesInForce }, id, ruleRef)),
      explainDedupKey: (question) =>
        read("what explains an event", (rows) => explainDedupKey({ rows, rulesInForce }, question)),
      explainRule: (ref, eventsMax) =>
        read("what explains a rule", (rows) => explainStoredRule(rows, ref, eventsMax)),
      tryRule: (ref, payload) => read("a rule", (rows) => tryStoredRule(rows, ref, payload)),
    },
    ...databaseDefinitions(database, read),
  };
}
