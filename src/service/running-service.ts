/** The second half of a start: all other parts of a registered worker. */
import type { Database } from "../database/database.ts";
import { SnapshotReads } from "../database/snapshot-reads.ts";
import type { EventGenerator } from "../events/event-generator.ts";
import { liveAnnouncement } from "../live/live-exchange.ts";
import type { MessageQueue } from "../messaging/message-queue.ts";
import type { SensorWorkerRegistration } from "../registration/sensor-worker-registration.ts";
import { openBacktests } from "./backtest-parts.ts";
import { Replay } from "../rules/replay.ts";
import { RuleMatcher } from "../rules/rule-matcher.ts";
import { openRuleSource, type DatabaseRuleSource } from "../rules/rule-source.ts";
import { SensorTraces } from "../api/sensor-traces.ts";
import type { SensorManager } from "../sensors/sensor-manager.ts";
import { createMetrics } from "../telemetry/metrics.ts";
import { openApi } from "./api-parts.ts";
import { makeKnown } from "./capability-changes.ts";
import { openConnections } from "./connections.ts";
import type { LocalToken } from "../identity/local-token.ts";
import { openIdentity, openLocalToken } from "./identity-parts.ts";
import { openEvents } from "./event-parts.ts";
import { ClockGuard } from "../retention/clock-guard.ts";
import { openNotifications } from "./notification-parts.ts";
import { openDiagnosis, openLive, openLiveCounts } from "./live-parts.ts";
import { openKeys } from "./key-parts.ts";
import { openObservation } from "./observation.ts";
import { openOperations } from "./operation-parts.ts";
import { openRetention } from "./retention-parts.ts";
import { openSchemaMemory } from "./schema-memory-parts.ts";
import { openForgottenQueues, sensorPlatform } from "./sensor-platform.ts";
import type { RegisteredWorker } from "./registered-worker.ts";
import { openVerification } from "./verification-parts.ts";
import { openWebhooks } from "./webhook-parts.ts";
import { openSensors } from "./sensor-parts.ts";
import type { ServiceContext } from "./service-context.ts";
import { keepHeapSmall, returnUnusedHeap } from "./small-heap.ts";

/** The parts of a service that other code may use from `start` until `stop`. */
export interface RunningService {
  readonly registration: SensorWorkerRegistration;
  readonly sensorManager: SensorManager;
  readonly eventGenerator: EventGenerator;
  readonly ruleMatcher: RuleMatcher;
  readonly messageQueue: MessageQueue;
}

interface Wakeable {
  /** @param concerned what the notification says beside the table; undefined: any row of it may have changed */
  wake(concerned: string | undefined): void;
}

/** @throws OperatorError for a problem that an operator can fix */
export async function openRunningService(
  context: ServiceContext,
  worker: RegisteredWorker,
): Promise<RunningService> {
  const { lifetime, options } = context;
  const { database, runtimes, registration } = worker;
  const connections = await openConnections(context, database);
  const counts = openLiveCounts(context);
  const metrics = counts.counting(createMetrics({ version: options.agentVersion, withProcess: true }));
  const rules = await openRules(context, database);
  const events = await openEvents(context, connections, metrics, rules);
  const { sweeper, generator } = events;
  const reads = new SnapshotReads(database);
  const clockGuard = new ClockGuard({ logger: options.logger, clock: context.clock });
  const opened = await openSensors(context, worker, metrics, events, clockGuard);
  const { scheduler, sensors } = opened;
  const { feed, notifications } = openNotifications(context, database, metrics);
  const { mailbox, operations } = openOperations(context, database, reads, opened);
  const { keys, unreadableCount } = await openKeys(context, database, reads);
  const webhooks = openWebhooks(context, database, { metrics, posts: events.posts, keys });
  lifetime.run((signal) =>
    runtimes.run(signal, {
      makeKnown: (change) => makeKnown(change, worker, scheduler, generator, options.logger),
      // A sensor may have been placed here before its runtime's row was verified.
      onAnswersChanged: () => sensors.wake(),
    }),
  );

  const identity = await openIdentity(context, connections);
  let localToken: LocalToken | undefined;
  const tokenReaders = [identity.authenticator, notifications, { wake: () => localToken?.wake() }];

  const live = openLive(context, database, counts);
  const ruleMessages = { wake: () => sweeper.wakeForRules() };
  await listenForChanges(context, database, [worker.heartbeat, connections.serverWatch], {
    rule: [rules, scheduler, sensors, ruleMessages, feed, webhooks.endpoints],
    trigger: [rules, scheduler, sensors, ruleMessages, feed, webhooks.endpoints, events.cloudEventTriggers],
    outbox_owner: [sweeper],
    sensor: [scheduler, sensors, events.postSources, webhooks.endpoints],
    key: [webhooks.secrets],
    sensor_trigger: [scheduler, sensors],
    sensor_assignment: [{ wake: (instances) => scheduler.noteAssignments(instances) }],
    worker: [{ wake: (instance) => scheduler.noteWorker(instance) }],
    runtime: [runtimes, scheduler, sensors],
    worker_request: [mailbox],
    identity: tokenReaders,
    revoked_token: tokenReaders,
    signing_key: [identity.authenticator],
    [liveAnnouncement]: [live.exchange],
  });
  const retention = openRetention(context, database, metrics, clockGuard);
  openSchemaMemory(context, database, metrics, events.pipeline);
  const verification = openVerification(context, database, metrics, connections.installationId);
  const unreadableKeys = unreadableCount;
  const observed = { events, scheduler, sensors, rules, notifications, retention, unreadableKeys };
  const health = openObservation(context, worker, connections, metrics, observed);
  const traces = new SensorTraces(context.clock);
  const apiAddress = await openApi(context, connections.database, {
    metrics,
    health,
    identity,
    operations,
    posts: events.posts,
    cloudEventTriggers: events.cloudEventTriggers,
    notifications,
    traces,
    keys,
    verification,
    backtests: openBacktests(context, database),
    replay: new Replay({
      database,
      rules,
      installationId: connections.installationId,
      outlet: events.publisher,
      clock: context.clock,
    }),
    webhooks: webhooks.receiver,
    reads,
    stream: live.stream,
    diagnose: openDiagnosis(context, worker),
  });
  if (apiAddress !== undefined) localToken = openLocalToken(context, identity, apiAddress);
  openForgottenQueues(context, connections);
  opened.start(sensorPlatform(context, connections, { apiAddress, identity, notifications, traces }));
  return {
    registration,
    sensorManager: sensors,
    eventGenerator: generator,
    ruleMatcher: new RuleMatcher({
      database,
      rules,
      installationId: connections.installationId,
      outlet: events.publisher,
    }),
    messageQueue: connections.messageQueue,
  };
}

async function openRules(
  { options, lifetime, clock, random }: ServiceContext,
  database: Database,
): Promise<DatabaseRuleSource> {
  const { config, logger } = options;
  const intervalMs = config.sensor.reconcile_interval * 1_000;
  keepHeapSmall();
  const rules = await openRuleSource({ database, intervalMs, logger, clock, random });
  await returnUnusedHeap();
  lifetime.run((signal) => rules.run(signal));
  return rules;
}

async function listenForChanges(
  { lifetime }: ServiceContext,
  database: Database,
  others: readonly Wakeable[],
  wokenBy: Readonly<Record<string, readonly Wakeable[]>>,
): Promise<void> {
  const everything = new Set([...Object.values(wokenBy).flat(), ...others]);
  const listening = await database.listen(`${database.schema}_change`, (payload) => {
    // Without a table: the session is new. Anything may have changed before, and the old locks are free.
    const [table, concerned] = payload?.split(" ", 2) ?? [];
    for (const part of table === undefined ? everything : (wokenBy[table] ?? [])) part.wake(concerned);
  });
  await lifetime.use(listening);
}
