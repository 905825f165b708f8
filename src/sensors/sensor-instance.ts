/**
 * One sensor on this worker, from the moment it is to run until nothing of it is left.
 *
 *              ┌────────────── retry: time, retryNow ──────────────┐
 *              ▼                                                   │
 *   (new) ─▶ starting ──process started──▶ running ──ended──▶ judgeExit ─▶ backoff
 *              │                                                   │
 *              └───────────── could not be started ───────────────▶└─────▶ failed
 *
 *   any ──stop──▶ process told to end, killed after its grace ─▶ events settled ─▶ stopped
 *
 * - starting: its events of earlier runs are settled, the newest checkpoint is read, it is launched.
 * - running: it has a process, or is a poll sensor between two successful runs.
 * - backoff: it failed and is tried again soon.
 * - failed: it failed too often in a row. Announced once, then tried at the ceiling of the delays only,
 *   or never with restarts disabled. `retryNow` forgives everything.
 * - stopped: final; a sensor that is wanted again gets a new instance.
 *
 * Invariants: at most one process at a time. A process is started only when every event accepted from
 * the one before is stored or refused, so no checkpoint is read that is about to move. `run` resolves
 * only when no process is left and its accepted events are settled, or, when the worker itself ends, the
 * time for that is over.
 */
import { setMaxListeners } from "node:events";
import type { Database } from "../database/database.ts";
import type { ProcessReport } from "../database/statements/sensor-process.ts";
import { messageOf } from "../errors/caught.ts";
import type { AssignmentTerm, EventSink, EventSource } from "../model/sensors/incoming-event.ts";
import type { Redact } from "../model/texts/redaction.ts";
import { judgeExit, type EndedRun } from "../model/sensors/restart-policy.ts";
import type { RuntimeAnswer } from "../model/runtimes/runtime-offer.ts";
import { killMarked } from "../processes/marked-processes.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Clock } from "../time/clock.ts";
import { sleepUntil } from "../time/sleep-until.ts";
import type { AssignedSensor } from "./assigned-sensor.ts";
import { CommittedCheckpoint } from "./committed-checkpoint.ts";
import type { SensorLimits } from "./limits.ts";
import type { LogEcho } from "./report/log-echo.ts";
import type { SensorAlert, SensorMetrics } from "./ports.ts";
import { ProcessNotes, type StatusListener } from "./report/process-notes.ts";
import type { ProcessRecorder } from "./report/process-recorder.ts";
import type { Protocol, RunContext } from "./protocols/protocol.ts";
import { protocolOf } from "./protocols/protocol-of.ts";
import { launchSensor, type Launch, type LauncherOptions } from "./launch/sensor-launcher.ts";
import type { StartPacer } from "./launch/start-pacer.ts";
import { SensorLog } from "./report/sensor-log.ts";
import { EventIntake } from "./event-intake.ts";
import { OutputRemarks } from "./output/output-remarks.ts";
import { RejectedLines } from "./output/rejected-lines.ts";
import { SensorOutput } from "./output/sensor-output.ts";

export interface InstanceOptions extends Omit<LauncherOptions, "graceMs"> {
  readonly database: Database;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: () => number;
  readonly sink: EventSink;
  readonly limits: SensorLimits;
  readonly metrics: SensorMetrics;
  readonly recorder: ProcessRecorder;
  readonly starts: StartPacer;
  readonly redact: Redact;
  /** Where sensors' logs go; at least one of the two. */
  readonly logTo: { readonly files: boolean; readonly echo: LogEcho | undefined };
  readonly alert: (alert: SensorAlert) => void;
  readonly onStatus: StatusListener;
  /** An event was refused because the sensor is assigned elsewhere now. */
  readonly onFenced: () => void;
}

export interface Assignment {
  readonly sensor: AssignedSensor;
  readonly runtime: RuntimeAnswer;
  readonly term: AssignmentTerm;
  /** See model/poll-schedule.ts. */
  readonly pollPhase: number;
}

export class SensorInstance {
  readonly #assignment: Assignment;
  readonly #options: InstanceOptions;
  readonly #logger: Logger;
  readonly #source: EventSource;
  readonly #marker: string;
  readonly #protocol: Protocol;
  readonly #log: SensorLog;
  readonly #notes: ProcessNotes;
  readonly #intake: EventIntake;
  readonly #output: SensorOutput;
  readonly #checkpoint: CommittedCheckpoint;
  readonly #stopping = new AbortController();
  readonly #abandoned = new AbortController();
  #stopReason = "";
  #failures = 0;
  #retry = new AbortController();

  /** @param marker `NAME=value` by which its processes are found; no other instance's */
  constructor(assignment: Assignment, marker: string, options: InstanceOptions) {
    const { definition } = assignment.sensor;
    const { clock, limits, metrics, directories } = options;
    const logger = options.logger.child({ sensor_ref: definition.ref });
    this.#assignment = assignment;
    this.#options = options;
    this.#logger = logger;
    this.#marker = marker;
    this.#source = {
      sensorId: definition.id,
      sensorRef: definition.ref,
      sensorConfig: definition.config,
      term: assignment.term,
    };
    this.#protocol = protocolOf(definition, limits, clock.monotonicMs(), assignment.pollPhase);
    const log = new SensorLog({
      logsDir: directories.logsDir,
      sensorRef: definition.ref,
      bytesMax: limits.logBytesMax,
      filesMax: limits.logFilesMax,
      hasFile: options.logTo.files,
      echo: options.logTo.echo?.ofSensor(logger),
      clock,
      logger,
      onLost: metrics.logLinesLost,
    });
    this.#log = log;
    this.#notes = new ProcessNotes(this.#source, assignment.term.instance, { ...options, logger, log });
    this.#checkpoint = new CommittedCheckpoint(definition.id, { ...options, logger });
    const rejected = new RejectedLines(definition.ref, { clock, logger, log, metrics });
    this.#intake = new EventIntake({
      source: this.#source,
      sink: options.sink,
      clock,
      eventsMax: limits.eventsInFlightMax,
      bytesMax: limits.bytesInFlightMax,
      onCheckpoint: (value) => this.#checkpoint.note(value),
      onRefused: (reason, text) => rejected.noteRefused(reason, text),
      onFenced: options.onFenced,
    });
    const remarks = new OutputRemarks({ clock, logger, log });
    this.#output = new SensorOutput({ intake: this.#intake, rejected, remarks });
    // Every run and wait listens and stops listening again; that is no leak.
    setMaxListeners(0, this.#stopping.signal, this.#abandoned.signal);
  }

  get ref(): string {
    return this.#source.sensorRef;
  }

  get status(): ProcessReport["status"] {
    return this.#notes.status;
  }

  /** Since when a stream sensor has been running without printing a line. */
  get silentSince(): Date | null {
    return this.#assignment.sensor.definition.protocol === "stream" ? this.#notes.silentSince : null;
  }

  /** As ProcessNotes says; for a poll sensor always undefined. */
  outputAgeSeconds(): number | undefined {
    return this.#notes.outputAgeSeconds();
  }

  /** As ProcessNotes says; for a poll sensor never. */
  get isUnusuallySilent(): boolean {
    return this.#notes.isUnusuallySilent;
  }

  /** As EventIntake says. */
  get lastEventSeconds(): number | undefined {
    return this.#intake.lastEventSeconds;
  }

  /** As EventIntake says. */
  stalledSeconds(): number | undefined {
    return this.#intake.stalledSeconds();
  }

  /** Tries a sensor in backoff or failed at once and forgives it everything; no effect otherwise. */
  retryNow(): void {
    if (this.status === "backoff" || this.status === "failed") this.#retry.abort();
  }

  /**
   * Begins the end; `run` resolves when it is reached. However long its last events take to be stored:
   * until then a successor would resume before them, and they would be there twice.
   */
  stop(reason: string): void {
    if (this.#stopping.signal.aborted) return;
    this.#stopReason = reason;
    this.#stopping.abort();
  }

  /** For the end of the worker: as `stop`, but gives up on what is not stored in time. Call it once. */
  leave(reason: string): void {
    this.stop(reason);
    void this.#abandonInTime();
  }

  /** Never rejects for anything the sensor does. */
  async run(): Promise<void> {
    await this.#supervise();
    await this.#settled();
    await killMarked(this.#marker);
    await this.#log.flushed();
    this.#abandoned.abort();
    this.#notes.noteStopped(this.#stopReason);
  }

  async #supervise(): Promise<void> {
    const { clock, limits, random, metrics } = this.#options;
    const { signal } = this.#stopping;
    for (let isFirst = true; !signal.aborted; isFirst = false) {
      if (!isFirst) metrics.sensorRestarted(this.#source.sensorRef);
      this.#notes.noteStarting(this.#failures);
      const ended = await this.#runProtocol();
      if (signal.aborted) return;

      const verdict = judgeExit(ended, this.#failures, limits.restart, random());
      this.#failures = verdict.failures;
      const nowMs = clock.monotonicMs();
      const waitMs =
        verdict.delayMs === null ? null : this.#protocol.nextRunMs(nowMs + verdict.delayMs) - nowMs;
      this.#notes.noteVerdict(verdict, ended.exit, waitMs === null ? null : Math.round(waitMs));
      await this.#waitUntil(waitMs === null ? Number.POSITIVE_INFINITY : nowMs + waitMs);
    }
  }

  async #runProtocol(): Promise<EndedRun> {
    try {
      return await this.#protocol.run(this.#context());
    } catch (error) {
      // A failure of the agent, not of the sensor; it must not take the other sensors with it.
      this.#logger.error({ error }, "could not run the sensor, for a fault of the agent");
      const reason = `the agent failed to run it: ${messageOf(error)}`;
      return { exit: { kind: "unstarted", reason }, uptimeMs: 0, hadSuccess: false };
    }
  }

  #context(): RunContext {
    const { clock, limits } = this.#options;
    const refs = this.#assignment.sensor.definition.triggers.map((trigger) => trigger.ref);
    return {
      served: { main: refs[0] ?? "", all: new Set(refs) },
      limits,
      clock,
      stopping: this.#stopping.signal,
      abandoned: this.#abandoned.signal,
      launch: () => this.#launch(),
      output: this.#output,
      noteOutput: () => this.#notes.noteOutput(),
      log: (lines) => this.#log.writeOutput(lines),
      logStderr: (lines) => this.#notes.noteStderr(lines),
    };
  }

  async #launch(): Promise<Launch> {
    const { limits } = this.#options;
    const { sensor, runtime } = this.#assignment;
    const { signal } = this.#stopping;
    await this.#settled();
    const checkpoint = await this.#checkpoint.newest(signal);
    await this.#options.starts.turn(signal);
    if (signal.aborted) return { kind: "unstarted", reason: "it was stopped first" };

    const launch = await launchSensor(
      {
        sensor,
        runtime,
        checkpoint,
        marker: this.#marker,
        // A poll sensor's descendants are looked for when it stops: doing so at each run would cost too much.
        isMarkerSought: sensor.definition.protocol !== "poll",
        onWarning: (warning) => this.#notes.noteWarning(warning),
        log: (lines) => this.#log.writeOutput(lines),
        signal,
      },
      { ...this.#options, graceMs: limits.graceMs },
    );
    if (launch.kind === "started") this.#notes.noteStarted(launch.child);
    return launch;
  }

  /** Resolves when everything submitted is stored or refused, and reported, or once abandoned. */
  async #settled(): Promise<void> {
    await this.#intake.settled();
    this.#output.flush();
  }

  async #waitUntil(targetMs: number): Promise<void> {
    const interrupt = AbortSignal.any([this.#stopping.signal, this.#retry.signal]);
    await sleepUntil(targetMs, this.#options.clock, interrupt);
    if (this.#retry.signal.aborted) this.#failures = 0;
    this.#retry = new AbortController();
  }

  async #abandonInTime(): Promise<void> {
    const { clock, limits } = this.#options;
    await clock.sleep(limits.graceMs + limits.settleMs, this.#abandoned.signal);
    this.#abandoned.abort();
    this.#intake.abandon();
  }
}
