/**
 * The sensor service: opens its parts, wires them, and closes them in reverse.
 *
 * What a part is and does stands at the top of its own file; here is only who is given to whom, and in
 * which order they come and go. The order at the end is the one at the start reversed: sensors stop
 * first, their last events are stored, the assignments are released, the messages are confirmed, the
 * worker is deregistered, and only then the connections close.
 */
import { randomUUID } from "node:crypto";
import { tmpdir } from "node:os";
import { startApi } from "./api/start-api.ts";
import { Lifetime } from "./concurrency/lifetime.ts";
import { settlesWithin } from "./concurrency/settles-within.ts";
import type { Config } from "./config/schema.ts";
import type { Database } from "./database/database.ts";
import { loadMigrations } from "./database/embedded-migrations.ts";
import { migrate } from "./database/migrate.ts";
import { openDatabase } from "./database/open-database.ts";
import { rowOf } from "./database/statement.ts";
import { readInstallation } from "./database/statements/installation.ts";
import { EventGenerator } from "./events/event-generator.ts";
import { EventPipeline } from "./events/event-pipeline.ts";
import { OutboxSweeper } from "./events/outbox-sweeper.ts";
import { Publisher } from "./events/publisher.ts";
import { tellStored } from "./events/tell-stored.ts";
import { MessageQueue } from "./messaging/message-queue.ts";
import type { MessageTransport } from "./messaging/message-transport.ts";
import type { DetectedInterpreter } from "./model/detected-interpreter.ts";
import type { Id } from "./model/identifiers.ts";
import type { OfferedRuntime } from "./model/offered-runtime.ts";
import { createRedactor } from "./model/redaction.ts";
import { selectRuntimes } from "./model/runtime-selection.ts";
import { readFleetFacts } from "./registration/fleet-facts.ts";
import { keepHeartbeat } from "./registration/heartbeat-loop.ts";
import { SensorWorkerRegistration, superseded } from "./registration/sensor-worker-registration.ts";
import { runtimeCapabilities, workerCapabilities } from "./registration/worker-capabilities.ts";
import { signsOfThisMachine, workerType } from "./registration/worker-type.ts";
import { RuleMatcher } from "./rules/rule-matcher.ts";
import { openRuleSource, type DatabaseRuleSource } from "./rules/rule-source.ts";
import { startGuard } from "./processes/guard.ts";
import { probeMachine } from "./runtimes/probe-machine.ts";
import { SensorRuntimes, type CapabilityChange } from "./runtimes/sensor-runtimes.ts";
import { Scheduler } from "./scheduling/scheduler.ts";
import type { AgentEnvironment } from "./sensors/environment.ts";
import { sensorLimits } from "./sensors/limits.ts";
import { SensorManager } from "./sensors/sensor-manager.ts";
import { Activity } from "./telemetry/activity.ts";
import type { Logger } from "./telemetry/logger.ts";
import { createMetrics, type Metrics } from "./telemetry/metrics.ts";
import type { PartHealth } from "./telemetry/part-health.ts";
import { systemClock, type Clock } from "./time/clock.ts";

export interface SensorServiceOptions {
  readonly config: Config;
  readonly logger: Logger;
  /** As it was at the start; nobody reads the process's own after that. */
  readonly environment: AgentEnvironment;
  readonly detectedInterpreters: readonly DetectedInterpreter[];
  /** ATTUNE_SENSOR_RUNTIMES as it came from outside; undefined: it did not. */
  readonly runtimesFromEnvironment: readonly string[] | undefined;
  readonly agentVersion: string;
  /** Values that no report may show. */
  readonly secrets: readonly string[];
}

/** How long storing and publishing may take at the end, beyond `sensor.shutdown_timeout`. */
const storeLimitMs = 5_000;
const confirmLimitMs = 5_000;
/** How long all of the end may take beyond it. Enough for the steps above, not for a dead socket at each. */
const stopLimitMs = 20_000;

/** What nearly every part needs. */
interface Surroundings {
  readonly database: Database;
  readonly messageQueue: MessageQueue;
  /** Of the message queue. */
  readonly transport: MessageTransport;
  readonly installationId: string;
  /** This process's mark in the worker's row, in assignments and in the outbox. */
  readonly instance: string;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: () => number;
}

/** What other code may use from `start` until `stop`. */
export interface SensorServiceParts {
  readonly registration: SensorWorkerRegistration;
  readonly sensorManager: SensorManager;
  readonly eventGenerator: EventGenerator;
  readonly ruleMatcher: RuleMatcher;
  readonly messageQueue: MessageQueue;
}

interface Registered {
  readonly runtimes: SensorRuntimes;
  readonly registration: SensorWorkerRegistration;
  readonly workerId: Id;
}

interface EventParts {
  readonly pipeline: EventPipeline;
  readonly publisher: Publisher;
  readonly sweeper: OutboxSweeper;
  readonly generator: EventGenerator;
}

interface ObservedParts extends Pick<EventParts, "pipeline" | "publisher"> {
  readonly scheduler: Scheduler;
  readonly sensors: SensorManager;
  readonly rules: DatabaseRuleSource;
  readonly runtimes: SensorRuntimes;
}

interface Wakeable {
  wake(): void;
}

export class SensorService {
  readonly activity = new Activity();
  /** Rejects when the service cannot go on; whoever started it then stops it. */
  readonly failure: Promise<never>;
  readonly #options: SensorServiceOptions;
  readonly #lifetime: Lifetime;
  readonly #fail: (reason: unknown) => void;
  /** Set before anything can change. */
  #onCapabilitiesChanged: (change: CapabilityChange) => Promise<void> = async () => {};

  constructor(options: SensorServiceOptions) {
    this.#options = options;
    const { promise, reject } = Promise.withResolvers<never>();
    this.failure = promise;
    // Nobody has to listen; and a failure while stopping is of no use any more.
    promise.catch(() => {});
    this.#fail = reject;
    this.#lifetime = new Lifetime(reject);
  }

  /**
   * Resolves once the worker is registered and everything runs.
   *
   * @throws OperatorError for what an operator can mend; `stop` is still due
   */
  async start(): Promise<SensorServiceParts> {
    const surroundings = await this.#openSurroundings();
    const registered = await this.#register(surroundings);
    const rules = await this.#openRules(surroundings);
    const events = this.#openEvents(surroundings, rules);
    const { scheduler, sensors } = await this.#openSensors(surroundings, registered, events);
    const { runtimes, registration } = registered;
    const { sweeper, generator } = events;

    await this.#listenForChanges(surroundings, {
      rule: [rules, scheduler, sensors, sweeper],
      trigger: [rules, scheduler, sensors],
      sensor: [scheduler, sensors],
      sensor_trigger: [scheduler, sensors],
      sensor_assignment: [scheduler],
      runtime: [runtimes, scheduler, sensors],
    });
    await this.#openApi(surroundings, { ...events, scheduler, sensors, rules, runtimes });
    return {
      registration,
      sensorManager: sensors,
      eventGenerator: generator,
      ruleMatcher: new RuleMatcher({ ...surroundings, rules }),
      messageQueue: surroundings.messageQueue,
    };
  }

  /** Stops sensors, stores and publishes what is left, deregisters and closes. Bounded in time. */
  async stop(): Promise<void> {
    const { config, logger } = this.#options;
    const closing = this.#lifetime[Symbol.asyncDispose]();
    if (await settlesWithin(closing, config.sensor.shutdown_timeout * 1_000 + stopLimitMs)) {
      await closing;
      return;
    }
    logger.warn(
      {},
      "could not end everything in time, and leave it: the leases run out by themselves, and others send the messages",
    );
  }

  async #openSurroundings(): Promise<Surroundings> {
    const { config, logger, agentVersion } = this.#options;
    const clock = systemClock;
    const database = await this.#lifetime.use(
      await openDatabase({
        url: config.database.url,
        dataDirectory: config.data_dir,
        schema: config.database.schema,
        connectionsMax: config.database.max_connections,
        whenUnreachable: "fail",
        logger,
      }),
    );
    await migrate(database, loadMigrations(), logger);
    const installation = await rowOf(database, readInstallation, undefined);
    const connectionName = config.sensor.worker_name;
    const messageQueue = await this.#lifetime.use(
      await MessageQueue.connect(config.message_queue.url, { logger, clock, connectionName }),
    );
    const { transport } = messageQueue;
    logger.info(
      {
        database: database.address,
        database_kind: database.kind,
        broker: transport.address,
        broker_kind: transport.kind,
      },
      database.kind === "embedded" ? "opened the embedded database" : "opened the database",
    );
    return {
      database,
      messageQueue,
      transport,
      installationId: installation?.id ?? "",
      instance: randomUUID(),
      metrics: createMetrics({ version: agentVersion, withProcess: true }),
      logger,
      clock,
      random: Math.random,
    };
  }

  async #register(surroundings: Surroundings): Promise<Registered> {
    const { database, instance, clock, logger } = surroundings;
    const { config, environment, detectedInterpreters, runtimesFromEnvironment, agentVersion } =
      this.#options;
    const { sensor } = config;
    const runtimes = new SensorRuntimes({
      database,
      workerName: sensor.worker_name,
      selection: selectRuntimes(runtimesFromEnvironment?.join(","), sensor.capabilities.runtimes),
      machine: probeMachine(environment.restored, detectedInterpreters),
      cacheTtlMs: sensor.runtime_cache_ttl * 1_000,
      intervalMs: sensor.runtime_verification_interval * 1_000,
      capabilitiesChanged: (change) => this.#onCapabilitiesChanged(change),
      clock,
      logger,
    });
    await runtimes.verify(new AbortController().signal);

    const registration = new SensorWorkerRegistration({
      database,
      worker: {
        name: sensor.worker_name,
        type: workerType(signsOfThisMachine(environment.own)),
        host: sensor.host,
        port: config.api.enabled && config.api.port !== 0 ? config.api.port : null,
        capabilities: workerCapabilities({
          runtimes: runtimes.capabilities,
          sensorCountMax: this.#sensorCountMax(),
          agentVersion,
          labels: sensor.labels,
          configured: sensor.capabilities,
        }),
        meta: { pid: process.pid, started: new Date(clock.nowMs()).toISOString() },
        instance,
        leaseSeconds: sensor.lease_duration,
      },
      staleAfterMs: sensor.heartbeat_interval * 3_000,
      clock,
      logger,
    });
    const workerId = await registration.register();
    this.#lifetime.onClose(() => registration.deregister());
    this.#lifetime.run((signal) =>
      keepHeartbeat(
        {
          registration,
          intervalMs: sensor.heartbeat_interval * 1_000,
          onSuperseded: () => this.#fail(superseded(sensor.worker_name)),
          clock,
          logger,
        },
        signal,
      ),
    );
    const { runtimes: names } = runtimes.capabilities;
    logger.info(
      { worker: sensor.worker_name, worker_id: workerId, runtimes: names },
      `registered worker ${sensor.worker_name}`,
    );
    return { runtimes, registration, workerId };
  }

  async #openRules(surroundings: Surroundings): Promise<DatabaseRuleSource> {
    const intervalMs = this.#options.config.sensor.reconcile_interval * 1_000;
    const rules = await openRuleSource({ ...surroundings, intervalMs });
    this.#lifetime.run((signal) => rules.run(signal));
    return rules;
  }

  #openEvents(surroundings: Surroundings, rules: DatabaseRuleSource): EventParts {
    const { events } = this.#options.config;
    const { database } = surroundings;
    const publisher = new Publisher({ ...surroundings, inFlightMax: events.in_flight });
    this.#lifetime.run((signal) => publisher.run(signal));
    this.#lifetime.onClose(() => publisher.drain(AbortSignal.timeout(confirmLimitMs)));

    const sweeper = new OutboxSweeper({ ...surroundings, intervalMs: events.sweep_interval * 1_000 });
    this.#lifetime.run((signal) => sweeper.run(signal));

    const pipeline = new EventPipeline({
      ...surroundings,
      rules,
      outlet: publisher,
      batchRowsMax: events.batch_rows,
      batchBytesMax: events.batch_bytes,
      onStored: (event) => tellStored(this.activity, event),
    });
    const abandon = new AbortController();
    const run = pipeline.run(abandon.signal).catch(this.#fail);
    this.#lifetime.onClose(async () => {
      pipeline.close();
      if (!(await settlesWithin(run, storeLimitMs))) abandon.abort();
      await run;
    });
    return { publisher, sweeper, pipeline, generator: new EventGenerator(database, pipeline) };
  }

  async #openSensors(
    surroundings: Surroundings,
    registered: Registered,
    { pipeline, generator }: EventParts,
  ): Promise<{ scheduler: Scheduler; sensors: SensorManager }> {
    const { config, environment, secrets } = this.#options;
    const { sensor } = config;
    const { logger } = surroundings;
    const { runtimes } = registered;
    const guard = await this.#lifetime.use(startGuard("ATTUNE_SENSOR_INSTANCE", logger));
    // The two ask each other, and do so only once both are there.
    const scheduler: Scheduler = new Scheduler({
      ...surroundings,
      ...registered,
      leaseSeconds: sensor.lease_duration,
      renewalIntervalMs: sensor.lease_renewal_interval * 1_000,
      isRunning: (sensorId) => sensors.isRunning(sensorId),
      onHeldChanged: () => sensors.wake(),
      onSuperseded: () => this.#fail(superseded(sensor.worker_name)),
    });
    const sensors = new SensorManager({
      ...surroundings,
      assignments: scheduler,
      runtimes: { offered: (runtimeRef) => offeredRuntime(runtimes, runtimeRef) },
      sink: pipeline,
      guard,
      environment,
      passthrough: sensor.passthrough_env,
      logLevel: config.log.level,
      directories: {
        packsBaseDir: config.packs_base_dir,
        runtimeEnvsDir: config.runtime_envs_dir,
        logsDir: config.logs_dir,
        temporaryDir: tmpdir(),
      },
      limits: sensorLimits(config, storeLimitMs),
      intervalMs: sensor.reconcile_interval * 1_000,
      redact: createRedactor(secrets),
      alert: ({ sensorRef, payload }) => {
        generator.generateSystemEvent({ ref: "core.alert" }, payload).catch((error: unknown) => {
          logger.warn({ error, sensor_ref: sensorRef }, "could not announce that a sensor has failed");
        });
      },
      onStopped: () => scheduler.wake(),
      onStatus: (sensorRef, status, reason) => {
        this.activity.tell({ kind: "sensor", sensorRef, status, reason });
        // How it failed has been said already, with more than fits here.
        if (status === "running") logger.info({ sensor_ref: sensorRef }, `sensor ${sensorRef} is running`);
        if (status === "stopped")
          logger.info({ sensor_ref: sensorRef }, `sensor ${sensorRef} is stopped: ${reason ?? "no reason"}`);
      },
    });
    this.#keepCapabilities(surroundings, registered, scheduler, generator);
    this.#lifetime.onClose(() => scheduler.releaseAll());
    this.#lifetime.run((signal) => scheduler.run(signal));
    sensors.start();
    // Opened last, so that no step of a loop that waits for the database holds up the end of sensors.
    this.#lifetime.onClose(() => sensors.stop());
    return { scheduler, sensors };
  }

  /** Makes known what this worker can run, whenever that changes. */
  #keepCapabilities(
    { logger }: Surroundings,
    { runtimes, registration }: Registered,
    scheduler: Scheduler,
    generator: EventGenerator,
  ): void {
    this.#onCapabilitiesChanged = async ({ before, after }) => {
      for (const [key, value] of Object.entries(runtimeCapabilities(after)))
        registration.addCapability(key, value);
      await registration.updateCapabilities();
      scheduler.wake();
      logger.info(
        { before: before.runtimes, after: after.runtimes },
        "the runtimes of this worker have changed",
      );
      const payload = {
        worker: registration.workerName(),
        before: runtimeCapabilities(before),
        after: runtimeCapabilities(after),
      };
      // Not awaited: it is stored when the database answers, and the loop must end before the pipeline does.
      generator
        .generateSystemEvent({ ref: "core.worker_capabilities_changed" }, payload)
        .catch((error: unknown) => {
          logger.warn({ error }, "could not announce that the runtimes of this worker have changed");
        });
    };
    this.#lifetime.run((signal) => runtimes.run(signal));
  }

  async #listenForChanges(
    { database }: Surroundings,
    wokenBy: Readonly<Record<string, readonly Wakeable[]>>,
  ): Promise<void> {
    const everything = new Set(Object.values(wokenBy).flat());
    const listening = await database.listen(`${database.schema}_change`, (table) => {
      // No table: the subscription is new, and anything may have changed before.
      for (const part of table === undefined ? everything : (wokenBy[table] ?? [])) part.wake();
    });
    await this.#lifetime.use(listening);
  }

  async #openApi(surroundings: Surroundings, parts: ObservedParts): Promise<void> {
    const { api, sensor } = this.#options.config;
    const { database, transport, metrics, clock, logger } = surroundings;
    const { scheduler, sensors, rules, runtimes, pipeline, publisher } = parts;
    const health = (): Readonly<Record<string, PartHealth>> => ({
      database: database.health(),
      broker: transport.health(),
      leases: scheduler.health(),
    });
    metrics.observe({
      parts: health,
      sensorsByState: () => sensors.countByState(),
      eventsInFlight: () => pipeline.waitingCount + publisher.inFlightCount,
      leasesHeld: () => scheduler.held().size,
      rules: () => rules.current().counts,
      runtimesOffered: () => runtimes.capabilities.runtimes,
      sensorCapacity: this.#sensorCountMax(),
      fleet: () => readFleetFacts(database).catch(() => undefined),
    });
    if (!api.enabled) return;
    const source = {
      version: this.#options.agentVersion,
      workerName: sensor.worker_name,
      parts: health,
      monotonicMs: () => clock.monotonicMs(),
    };
    const server = await startApi({ host: api.host, port: api.port, health: source, metrics, logger });
    await this.#lifetime.use(server);
    logger.info({ address: server.address }, `answering health and metrics at ${server.address}`);
  }

  #sensorCountMax(): number {
    const { enabled, max_concurrent_sensors: countMax } = this.#options.config.sensor;
    return enabled ? countMax : 0;
  }
}

function offeredRuntime(runtimes: SensorRuntimes, runtimeRef: string): OfferedRuntime | undefined {
  const answer = runtimes.offered(runtimeRef);
  return answer.kind === "offered" ? answer.runtime : undefined;
}
