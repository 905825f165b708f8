/** Assembles the parts of one sensor on this worker. */
import { rowsOf } from "../database/statement.ts";
import { readExistingRules } from "../database/statements/assigned-sensors.ts";
import type { Database } from "../database/database.ts";
import type { AssignmentTerm, EventSink, EventSource } from "../model/sensors/incoming-event.ts";
import type { Pace } from "../model/sensors/pace.ts";
import type { SensorKind } from "../model/sensors/sensor-kind.ts";
import type { Redact } from "../model/texts/redaction.ts";
import type { RuntimeAnswer } from "../model/runtimes/runtime-offer.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Clock } from "../time/clock.ts";
import type { AssignedSensor } from "./assigned-sensor.ts";
import { currentRules } from "./current-rules.ts";
import { CommittedCheckpoint } from "./committed-checkpoint.ts";
import { EventIntake } from "./event-intake.ts";
import type { SensorLauncher } from "./launch/sensor-launcher.ts";
import type { SensorLimits } from "./limits.ts";
import type { FileWatching } from "./files/file-watching.ts";
import { OutputRemarks } from "./output/output-remarks.ts";
import { RejectedLines } from "./output/rejected-lines.ts";
import { SensorOutput } from "./output/sensor-output.ts";
import type { Platform, SensorAlert, SensorMetrics } from "./ports.ts";
import type { ProcessRecorder } from "./report/process-recorder.ts";
import type { SensorLogs } from "./report/sensor-logs.ts";
import { SensorNotes, type StatusListener } from "./report/sensor-notes.ts";
import { SensorInstance } from "./sensor-instance.ts";
import type { PollPhases } from "./sources/poll.ts";
import { sourceOf } from "./sources/source-of.ts";

/** Shared by all sensors of a worker. */
export interface SensorPorts {
  readonly database: Database;
  readonly sink: EventSink;
  readonly pace: Pace;
  readonly launcher: SensorLauncher;
  readonly pollPhases: PollPhases;
  readonly fileWatching: FileWatching;
  /** What sensors talk to; null: nothing. Asked when a sensor is started. */
  readonly platform: () => Platform | null;
  readonly logs: SensorLogs;
  readonly recorder: ProcessRecorder;
  readonly metrics: SensorMetrics;
  readonly limits: SensorLimits;
  readonly redact: Redact;
  readonly alert: (alert: SensorAlert) => void;
  readonly onStatus: StatusListener;
  /** Called for each event that has to wait for room. */
  readonly onWaiting: () => void;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: () => number;
}

export interface Assignment {
  readonly sensor: AssignedSensor;
  readonly kind: SensorKind;
  readonly runtime: RuntimeAnswer;
  readonly term: AssignmentTerm;
}

/** @param onFenced called when something was refused because the sensor is now assigned elsewhere */
export function assembleInstance(
  { sensor, kind, runtime, term }: Assignment,
  ports: SensorPorts,
  onFenced: () => void,
): SensorInstance {
  const { database, sink, pace, launcher, pollPhases, platform, limits, metrics, clock, random } = ports;
  const { id, ref, config } = sensor.definition;
  const logger = ports.logger.child({ sensor_ref: ref });
  const log = ports.logs.ofSensor(ref, logger);
  const eventSource: EventSource = { sensorId: id, sensorRef: ref, sensorConfig: config, term };
  const notes = new SensorNotes({
    source: eventSource,
    instance: term.instance,
    recorder: ports.recorder,
    redact: ports.redact,
    alert: ports.alert,
    onStatus: ports.onStatus,
    clock,
    logger,
    log,
  });
  const checkpoint = new CommittedCheckpoint(id, { database, clock, logger });
  const rejected = new RejectedLines(ref, { clock, logger, log, metrics });
  const intake = new EventIntake({
    source: eventSource,
    sink,
    pace,
    clock,
    eventsMax: limits.eventsInFlightMax,
    bytesMax: limits.bytesInFlightMax,
    onWaiting: ports.onWaiting,
    onCheckpoint: (value) => checkpoint.note(value),
    onRefused: (reason, text) => rejected.noteRefused(reason, text),
    onFenced,
  });
  const remarks = new OutputRemarks({ clock, logger, log });
  return new SensorInstance({
    ref,
    kind,
    source: sourceOf(
      kind,
      { sensor, runtime, launcher, platform: platform(), log },
      {
        limits,
        pollPhases,
        clock,
        random,
        database,
        metrics,
        logger,
        term,
        readRules: () => currentRules(database, id),
        tokenTtlSeconds: limits.tokenTtlSeconds,
        deafAfterMs: limits.deafAfterMs,
        temporaryDir: launcher.temporaryDir,
        files: {
          watching: ports.fileWatching,
          metrics,
          stateDir: launcher.stateDirOf(ref),
          existingRules: (ruleIds) => rowsOf(database, readExistingRules, ruleIds),
        },
      },
    ),
    intake,
    output: new SensorOutput({ intake, rejected, remarks }),
    checkpoint,
    notes,
    log,
    limits,
    metrics,
    clock,
    logger,
    random,
  });
}
