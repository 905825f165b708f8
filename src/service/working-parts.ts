/** The second half of a start: all that a registered worker works with. */
import { MessageQueue } from "../messaging/message-queue.ts";
import { namesOf } from "../messaging/topology.ts";
import { rowOf } from "../database/statement.ts";
import { readInstallation } from "../database/statements/installation.ts";
import type { EventGenerator } from "../events/event-generator.ts";
import { ServerWatch } from "../events/server-watch.ts";
import type { SensorWorkerRegistration } from "../registration/sensor-worker-registration.ts";
import { RuleMatcher } from "../rules/rule-matcher.ts";
import { openRuleSource, type DatabaseRuleSource } from "../rules/rule-source.ts";
import type { SensorManager } from "../sensors/sensor-manager.ts";
import { createMetrics } from "../telemetry/metrics.ts";
import { makeKnown } from "./capability-changes.ts";
import { openEvents } from "./event-parts.ts";
import { openObservation } from "./observation.ts";
import type { RegisteredWorker } from "./registered-worker.ts";
import { openSensors } from "./sensor-parts.ts";
import type { ServiceContext } from "./service-context.ts";
import type { Surroundings } from "./surroundings.ts";

/** What other code may use from `start` until `stop`. */
export interface SensorServiceParts {
  readonly registration: SensorWorkerRegistration;
  readonly sensorManager: SensorManager;
  readonly eventGenerator: EventGenerator;
  readonly ruleMatcher: RuleMatcher;
  readonly messageQueue: MessageQueue;
}

interface Wakeable {
  wake(): void;
}

/** @throws OperatorError for what an operator can mend */
export async function openWorkingParts(
  context: ServiceContext,
  worker: RegisteredWorker,
): Promise<SensorServiceParts> {
  const { lifetime, options } = context;
  const { runtimes, registration } = worker;
  const surroundings = await openSurroundings(context, worker);
  const rules = await openRules(context, surroundings);
  const events = await openEvents(context, surroundings, rules);
  const { sweeper, generator } = events;
  const { scheduler, sensors } = await openSensors(context, worker, surroundings, events);
  lifetime.run((signal) =>
    runtimes.run(signal, {
      makeKnown: (change) => makeKnown(change, worker, scheduler, generator, options.logger),
      // A sensor may have been placed here before its runtime's row was verified.
      onAnswersChanged: () => sensors.wake(),
    }),
  );

  await listenForChanges(context, surroundings, [worker.heartbeat, surroundings.server], {
    rule: [rules, scheduler, sensors, sweeper],
    trigger: [rules, scheduler, sensors],
    sensor: [scheduler, sensors],
    sensor_trigger: [scheduler, sensors],
    sensor_assignment: [scheduler],
    runtime: [runtimes, scheduler, sensors],
  });
  await openObservation(context, worker, surroundings, { ...events, scheduler, sensors, rules });
  return {
    registration,
    sensorManager: sensors,
    eventGenerator: generator,
    ruleMatcher: new RuleMatcher({ ...surroundings, rules }),
    messageQueue: surroundings.messageQueue,
  };
}

async function openSurroundings(
  { options, lifetime, instance, clock, random }: ServiceContext,
  { database }: RegisteredWorker,
): Promise<Surroundings> {
  const { config, logger, agentVersion } = options;
  const connectionName = config.sensor.worker_name;
  const messageQueue = await lifetime.use(
    await MessageQueue.connect(config.message_queue.url, {
      urlFile: config.message_queue.url_file,
      tls: config.message_queue.tls,
      names: namesOf(config.message_queue),
      logger,
      clock,
      connectionName,
    }),
  );
  const { transport } = messageQueue;
  logger.info(
    { broker: transport.address, broker_kind: transport.kind },
    "messages go to the broker as soon as it answers",
  );
  const installation = await rowOf(database, readInstallation, undefined);
  const server = new ServerWatch({ database, logger });
  await server.look();
  return {
    database,
    server,
    messageQueue,
    transport,
    installationId: installation?.id ?? "",
    instance,
    metrics: createMetrics({ version: agentVersion, withProcess: true }),
    logger,
    clock,
    random,
  };
}

async function openRules(
  { options, lifetime }: ServiceContext,
  surroundings: Surroundings,
): Promise<DatabaseRuleSource> {
  const intervalMs = options.config.sensor.reconcile_interval * 1_000;
  const rules = await openRuleSource({ ...surroundings, intervalMs });
  lifetime.run((signal) => rules.run(signal));
  return rules;
}

async function listenForChanges(
  { lifetime }: ServiceContext,
  { database }: Surroundings,
  others: readonly Wakeable[],
  wokenBy: Readonly<Record<string, readonly Wakeable[]>>,
): Promise<void> {
  const everything = new Set([...Object.values(wokenBy).flat(), ...others]);
  const listening = await database.listen(`${database.schema}_change`, (table) => {
    // No table: the session is new. Anything may have changed before, and what the old one had locked is free.
    for (const part of table === undefined ? everything : (wokenBy[table] ?? [])) part.wake();
  });
  await lifetime.use(listening);
}
