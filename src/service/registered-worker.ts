/**
 * The first half of a start: the database, the runtimes of this machine, and the worker's row with its heartbeat.
 *
 * From here on others can see the worker; it claims no sensor before the second half is done.
 */
import { demandServable } from "../api/demand-servable.ts";
import { listeners, servesApi } from "../config/listeners.ts";
import type { Database } from "../database/database.ts";
import { demandRights } from "../database/rights/demand-rights.ts";
import { loadMigrations } from "../database/migrations/bundled-migrations.ts";
import { migrate } from "../database/migrations/migrate.ts";
import { openDatabase } from "../database/open-database.ts";
import type { Id } from "../model/identifiers.ts";
import { selectRuntimes } from "../model/runtimes/runtime-selection.ts";
import { startGuard, type ProcessGuard } from "../processes/guard.ts";
import { HeartbeatLoop } from "../registration/heartbeat-loop.ts";
import { SensorWorkerRegistration, superseded } from "../registration/sensor-worker-registration.ts";
import { workerCapabilities } from "../registration/worker-capabilities.ts";
import { signsOfThisMachine, workerType } from "../registration/worker-type.ts";
import { probeMachine } from "../runtimes/probe-machine.ts";
import { SensorRuntimes } from "../runtimes/sensor-runtimes.ts";
import { sensorCountMax, type ServiceContext } from "./service-context.ts";

export interface RegisteredWorker {
  readonly database: Database;
  /** Watches everything that this process starts. */
  readonly guard: ProcessGuard;
  readonly runtimes: SensorRuntimes;
  readonly registration: SensorWorkerRegistration;
  readonly workerId: Id;
  readonly heartbeat: HeartbeatLoop;
}

/** @throws OperatorError for a problem that an operator can fix */
export async function openRegisteredWorker(context: ServiceContext): Promise<RegisteredWorker> {
  const { config, logger } = context.options;
  await demandServable(listeners(config));
  const database = await openMigratedDatabase(context);
  const guard = await context.lifetime.use(startGuard("ATTUNE_SENSOR_INSTANCE", logger));
  const runtimes = await verifiedRuntimes(context, database, guard);
  const registration = registrationOf(context, database, runtimes);
  const registering = Promise.withResolvers<void>();
  // Set up before registering, so that a stop during start-up waits for the registration, with the database still open, and
  // then undoes it.
  context.lifetime.onClose(async () => {
    await registering.promise;
    await registration.deregister();
  });
  const workerId = await registration.register().finally(() => registering.resolve());
  const heartbeat = heartbeatOf(context, registration);
  context.lifetime.run((signal) => heartbeat.run(signal));
  logger.info(
    { worker: registration.workerName(), worker_id: workerId, runtimes: runtimes.capabilities.runtimes },
    `registered worker ${registration.workerName()}`,
  );
  return { database, guard, runtimes, registration, workerId, heartbeat };
}

async function openMigratedDatabase({ options, lifetime }: ServiceContext): Promise<Database> {
  const { config, logger } = options;
  const database = await lifetime.use(
    await openDatabase({
      url: config.database.url,
      urlFile: config.database.url_file,
      tls: config.database.tls,
      dataDirectory: config.data_dir,
      schema: config.database.schema,
      connectionsMax: config.database.max_connections,
      whenUnreachable: "fail",
      logger,
    }),
  );
  logger.info(
    { database: database.address, database_kind: database.kind },
    database.kind === "embedded" ? "opened the embedded database" : "opened the database",
  );
  await migrate(database, loadMigrations(), logger);
  await demandRights(database);
  return database;
}

async function verifiedRuntimes(
  { options, stopping, clock }: ServiceContext,
  database: Database,
  guard: ProcessGuard,
): Promise<SensorRuntimes> {
  const { config, agentVariables, detectedInterpreters, runtimesFromEnvironment, logger } = options;
  const { sensor } = config;
  const runtimes = new SensorRuntimes({
    database,
    workerName: sensor.worker_name,
    selection: selectRuntimes(runtimesFromEnvironment?.join(","), sensor.capabilities.runtimes),
    machine: probeMachine(agentVariables.restored, detectedInterpreters),
    guard,
    cacheTtlMs: sensor.runtime_cache_ttl * 1_000,
    intervalMs: sensor.runtime_verification_interval * 1_000,
    clock,
    logger,
  });
  await runtimes.verify(stopping);
  return runtimes;
}

function registrationOf(
  { options, instance, clock }: ServiceContext,
  database: Database,
  runtimes: SensorRuntimes,
): SensorWorkerRegistration {
  const { config, agentVariables, agentVersion, logger } = options;
  const { sensor, api } = config;
  return new SensorWorkerRegistration({
    database,
    worker: {
      name: sensor.worker_name,
      type: workerType(signsOfThisMachine(agentVariables.own)),
      host: sensor.host,
      port: servesApi(config) && api.port !== 0 ? api.port : null,
      capabilities: workerCapabilities({
        runtimes: runtimes.capabilities,
        sensorCountMax: sensorCountMax(config),
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
}

function heartbeatOf(
  { options, fail, clock }: ServiceContext,
  registration: SensorWorkerRegistration,
): HeartbeatLoop {
  const { sensor } = options.config;
  return new HeartbeatLoop({
    registration,
    intervalMs: sensor.heartbeat_interval * 1_000,
    onSuperseded: () => fail(superseded(sensor.worker_name)),
    clock,
    logger: options.logger,
  });
}
