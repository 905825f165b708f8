/** The parts that place sensors and run those of this worker. */
import { tmpdir } from "node:os";
import { join } from "node:path";
import { settlesWithin } from "../concurrency/settles-within.ts";
import { removeAbandonedFolders } from "../files/process-folder.ts";
import { createRedactor } from "../model/texts/redaction.ts";
import type { ClockGuard } from "../retention/clock-guard.ts";
import { superseded } from "../registration/sensor-worker-registration.ts";
import { signsOfThisMachine, workerType } from "../registration/worker-type.ts";
import { Scheduler } from "../scheduling/scheduler.ts";
import type { Platform, SensorMetrics } from "../sensors/ports.ts";
import { tokenFolderPrefix } from "../sensors/access/token-state-file.ts";
import { variableFolderPrefix } from "../sensors/launch/oversized-variables.ts";
import { SensorLauncher } from "../sensors/launch/sensor-launcher.ts";
import { FileWatching } from "../sensors/files/file-watching.ts";
import { sensorLimits, type SensorLimits } from "../sensors/limits.ts";
import { LogEcho } from "../sensors/report/log-echo.ts";
import { ProcessRecorder } from "../sensors/report/process-recorder.ts";
import { SensorLogs } from "../sensors/report/sensor-logs.ts";
import { SensorManager } from "../sensors/sensor-manager.ts";
import { PollPhases } from "../sensors/sources/poll.ts";
import type { ActivitySummary } from "../telemetry/activity-summary.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { storeLimitMs, type OpenedEvents } from "./event-parts.ts";
import type { RegisteredWorker } from "./registered-worker.ts";
import type { ServiceContext } from "./service-context.ts";
import { YoungGeneration } from "./young-generation.ts";

/** So that a worker stops even if its database does not answer. */
const withdrawalLimitMs = 1_000;

export interface OpenedSensors {
  readonly scheduler: Scheduler;
  readonly sensors: SensorManager;
  readonly logs: SensorLogs;
  /** Calls it whenever this worker holds other sensors than before. */
  readonly whenHeldChanges: (listener: () => void) => void;
  /**
   * Begins to run assigned sensors. Call it once, when everything that sensors talk to answers; until their end it must
   * go on answering.
   *
   * @param platform what standalone sensors talk to; null: nothing
   */
  readonly start: (platform: Platform | null) => void;
}

export async function openSensors(
  context: ServiceContext,
  worker: RegisteredWorker,
  metrics: Metrics,
  { pipeline, publisher, sweeper, generator, summary }: OpenedEvents,
  clockGuard: Pick<ClockGuard, "observe">,
): Promise<OpenedSensors> {
  const { options, lifetime, activity, fail, instance, clock, random } = context;
  const { config, secrets, logger } = options;
  const { sensor } = config;
  const { database } = worker;
  const limits = sensorLimits(config, storeLimitMs);
  const launcher = sensorLauncher(context, worker, limits);
  const logs = sensorLogs(context, limits, metrics);
  let platform: Platform | null = null;
  const heldListeners: (() => void)[] = [];
  const youngGeneration = new YoungGeneration(clock);
  lifetime.run((signal) => youngGeneration.run(signal));
  lifetime.run(() => removeLeftovers(logger));
  // The two refer to each other, but only once both exist.
  const scheduler: Scheduler = new Scheduler({
    database,
    workerId: worker.workerId,
    instance,
    leaseSeconds: sensor.lease_duration,
    renewalIntervalMs: sensor.lease_renewal_interval * 1_000,
    lookIntervalMs: sensor.reconcile_interval * 1_000,
    isRunning: (sensorId) => sensors.isRunning(sensorId),
    onRenewed: ({ databaseMs }) => {
      clockGuard.observe(databaseMs);
      worker.heartbeat.noteRenewed();
      youngGeneration.limit();
    },
    onHeldChanged: () => {
      pipeline.renewIds();
      sweeper.putOthersFirst();
      sensors.wake();
      for (const listener of heldListeners) listener();
    },
    // A dead worker may have left messages.
    onOthersChanged: () => sweeper.wake(),
    onSuperseded: () => fail(superseded(sensor.worker_name)),
    metrics,
    logger,
    clock,
    random,
  });
  const sensors = new SensorManager({
    ports: {
      database,
      sink: pipeline,
      pace: publisher.pace,
      launcher,
      pollPhases: new PollPhases(),
      fileWatching: new FileWatching(sensor.file_paths),
      platform: () => platform,
      logs,
      recorder: new ProcessRecorder({ database, clock, logger, random }),
      metrics: sensorMetrics(metrics, summary),
      limits,
      redact: createRedactor(secrets),
      alert: ({ sensorRef, payload }) => {
        generator.generateSystemEvent({ ref: "core.alert" }, payload).catch((error: unknown) => {
          logger.warn({ error, sensor_ref: sensorRef }, "could not announce that a sensor has failed");
        });
      },
      onWaiting: () => youngGeneration.noteWaiting(),
      onStatus: (sensorRef, status, reason) => {
        activity.tell({ kind: "sensor", sensorRef, status, reason });
        // The failure has already been logged in more detail.
        if (status === "running") logger.info({ sensor_ref: sensorRef }, `sensor ${sensorRef} is running`);
        if (status === "stopped")
          logger.info({ sensor_ref: sensorRef }, `sensor ${sensorRef} is stopped: ${reason ?? "no reason"}`);
      },
      clock,
      logger,
      random,
    },
    assignments: scheduler,
    runtimes: {
      offered: (runtimeRef) =>
        worker.runtimes.hasLookedFor(runtimeRef) ? worker.runtimes.offered(runtimeRef) : { kind: "pending" },
    },
    intervalMs: sensor.reconcile_interval * 1_000,
    onStopped: () => scheduler.wakeForOwn(),
  });
  lifetime.onClose(() => scheduler.releaseAll());
  lifetime.run((signal) => scheduler.run(signal));
  return {
    scheduler,
    sensors,
    logs,
    whenHeldChanges: (listener) => void heldListeners.push(listener),
    start(given) {
      platform = given;
      // Opened last, and so closed first: no loop that waits for the database may delay the stop of sensors.
      lifetime.onClose(async () => {
        await Promise.all([settlesWithin(withdrawRoom(worker), withdrawalLimitMs), sensors.stop()]);
      });
      sensors.start();
    },
  };
}

/**
 * Announces that this worker has no more capacity: others then place no sensors here and may take released ones, while
 * ours are still stopping.
 */
async function withdrawRoom({ registration }: RegisteredWorker): Promise<void> {
  registration.addCapability("max_concurrent_sensors", 0);
  await registration.updateCapabilities();
}

function sensorLauncher(
  { options, clock }: ServiceContext,
  { guard }: RegisteredWorker,
  limits: SensorLimits,
): SensorLauncher {
  const { config, agentVariables } = options;
  return new SensorLauncher({
    directories: {
      packsBaseDir: config.packs_base_dir,
      runtimeEnvsDir: config.runtime_envs_dir,
      artifactsDir: config.artifacts_dir,
      statesDir: join(config.data_dir, "sensors"),
      temporaryDir: tmpdir(),
    },
    agentVariables,
    passthrough: config.sensor.passthrough_env,
    logLevel: config.log.level,
    logFormat: config.log.format,
    guard,
    graceMs: limits.graceMs,
    clock,
  });
}

function sensorLogs({ options, clock }: ServiceContext, limits: SensorLimits, metrics: Metrics): SensorLogs {
  const { config, agentVariables } = options;
  // Container platforms collect printed output, and files inside a container may be out of reach.
  const isContainer = workerType(signsOfThisMachine(agentVariables.own)) === "container";
  const logTo = config.sensor.log_to ?? (isContainer ? "both" : "files");
  return new SensorLogs({
    workerName: config.sensor.worker_name,
    logsDir: config.logs_dir,
    bytesMax: limits.logBytesMax,
    filesMax: limits.logFilesMax,
    hasFiles: logTo !== "stderr",
    echo: logTo === "files" ? undefined : new LogEcho(clock),
    clock,
    onLost: metrics.logLinesLost,
  });
}

/** Of agents that were killed: their sensors' tokens may be valid for hours. */
async function removeLeftovers(logger: Logger): Promise<void> {
  const folders = await removeAbandonedFolders(tmpdir(), [tokenFolderPrefix, variableFolderPrefix]);
  if (folders > 0) logger.info({ folders }, "removed temporary folders of agents that were killed");
}

/** Rejected lines also appear in the summary. */
function sensorMetrics(metrics: Metrics, summary: ActivitySummary): SensorMetrics {
  return {
    ...metrics,
    linesRejected(sensorRef, lines) {
      metrics.linesRejected(sensorRef, lines);
      summary.noteRejectedLines(sensorRef, lines);
    },
  };
}
