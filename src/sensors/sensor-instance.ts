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
 * only when no process is left and its accepted events are settled, or the time for that is over.
 */
import type { Database } from "../database/database.ts";
import { rowOf } from "../database/statement.ts";
import { readCheckpoint } from "../database/statements/assigned-sensors.ts";
import type { ProcessReport } from "../database/statements/sensor-process.ts";
import type { AssignmentTerm, EventSink, EventSource } from "../model/incoming-event.ts";
import type { JsonValue } from "../model/json.ts";
import type { OfferedRuntime } from "../model/offered-runtime.ts";
import type { Redact } from "../model/redaction.ts";
import { describeExit, judgeExit, type EndedRun, type Exit, type Verdict } from "../model/restart-policy.ts";
import type { ChildExit } from "../processes/child.ts";
import { killMarked } from "../processes/marked-processes.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Clock } from "../time/clock.ts";
import type { AssignedSensor } from "./assigned-sensor.ts";
import type { DecodedEvent } from "./decode-output.ts";
import { EventIntake } from "./event-intake.ts";
import type { SensorLimits } from "./limits.ts";
import type { SensorAlert, SensorMetrics } from "./ports.ts";
import type { ProcessRecorder } from "./process-recorder.ts";
import { pollProtocol } from "./protocols/poll.ts";
import type { Protocol, RunContext } from "./protocols/protocol.ts";
import { streamProtocol } from "./protocols/stream.ts";
import { RejectedLines } from "./rejected-lines.ts";
import { launchSensor, type Launch, type LauncherOptions } from "./sensor-launcher.ts";
import { SensorLog } from "./sensor-log.ts";
import { StderrTail, logText } from "./stderr-tail.ts";

export interface InstanceOptions extends Omit<LauncherOptions, "graceMs"> {
  readonly database: Database;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: () => number;
  readonly sink: EventSink;
  readonly limits: SensorLimits;
  readonly metrics: SensorMetrics;
  readonly recorder: ProcessRecorder;
  readonly redact: Redact;
  readonly alert: (alert: SensorAlert) => void;
  /** An event was refused because the sensor is assigned elsewhere now. */
  readonly onFenced: () => void;
  /** A sensor's state is another, or has another reason; for people who watch. */
  readonly onStatus?: (sensorRef: string, status: ProcessReport["status"], reason: string | null) => void;
}

export interface Assignment {
  readonly sensor: AssignedSensor;
  readonly runtime: OfferedRuntime | undefined;
  readonly term: AssignmentTerm;
}

/** Of a sensor that has no process. */
export const unstartedReport: ProcessReport = {
  status: "starting",
  pid: null,
  failures: 0,
  exitCode: null,
  signal: null,
  reason: null,
  stderrExcerpt: null,
  startedAt: null,
  stoppedAt: null,
  nextRestartAt: null,
};

const checkpointRetryMs = 1_000;
/** Longer ones overflow the timer; the wait is then simply looked at again. */
const sleepMsMax = 86_400_000;

export class SensorInstance {
  readonly #assignment: Assignment;
  readonly #options: InstanceOptions;
  readonly #logger: Logger;
  readonly #protocol: Protocol;
  readonly #intake: EventIntake;
  readonly #log: SensorLog;
  readonly #stderr = new StderrTail();
  readonly #rejected: RejectedLines;
  readonly #source: EventSource;
  readonly #marker: string;
  readonly #stopping = new AbortController();
  readonly #abandoned = new AbortController();
  #stopReason = "";
  #report = unstartedReport;
  #failures = 0;
  #retry = new AbortController();
  /** The newest that is known to be committed; undefined: not known yet. */
  #checkpoint: { readonly value: JsonValue | undefined } | undefined;

  constructor(assignment: Assignment, marker: string, options: InstanceOptions) {
    const { definition } = assignment.sensor;
    const { clock, limits, logger, metrics, sink, directories } = options;
    this.#assignment = assignment;
    this.#options = options;
    this.#marker = marker;
    this.#logger = logger.child({ sensor_ref: definition.ref });
    this.#protocol =
      definition.protocol === "poll"
        ? pollProtocol(
            {
              anchorMs: clock.monotonicMs(),
              intervalMs: millisecondsOf(definition.pollIntervalSeconds) ?? limits.pollIntervalMs,
            },
            millisecondsOf(definition.timeoutSeconds) ?? limits.pollTimeoutMs,
          )
        : streamProtocol;
    this.#source = {
      sensorId: definition.id,
      sensorRef: definition.ref,
      sensorConfig: definition.config,
      term: assignment.term,
    };
    this.#intake = new EventIntake({
      sink,
      eventsMax: limits.eventsInFlightMax,
      bytesMax: limits.bytesInFlightMax,
      onOutcome: (outcome, event) => {
        if (outcome.kind === "stored" && event.checkpoint !== undefined) {
          this.#checkpoint = { value: event.checkpoint };
        }
        if (outcome.kind === "refused")
          this.#rejected.note([{ reason: outcome.reason, excerpt: event.triggerRef }]);
        if (outcome.kind === "fenced") options.onFenced();
      },
    });
    this.#log = new SensorLog({
      logsDir: directories.logsDir,
      sensorRef: definition.ref,
      bytesMax: limits.logBytesMax,
      filesMax: limits.logFilesMax,
      clock,
      logger,
      onLost: metrics.logLinesLost,
    });
    this.#rejected = new RejectedLines(definition.ref, {
      clock,
      logger: this.#logger,
      log: this.#log,
      metrics,
    });
  }

  get status(): ProcessReport["status"] {
    return this.#report.status;
  }

  /** Tries a sensor in backoff or failed at once and forgives it everything; no effect otherwise. */
  retryNow(): void {
    if (this.status === "backoff" || this.status === "failed") this.#retry.abort();
  }

  /** Begins the end; `run` resolves when it is reached. */
  stop(reason: string): void {
    if (this.#stopping.signal.aborted) return;
    this.#stopReason = reason;
    this.#stopping.abort();
    void this.#abandonInTime();
  }

  /** Never rejects for anything the sensor does. */
  async run(): Promise<void> {
    await this.#supervise();
    await this.#intake.settled();
    await killMarked(this.#marker);
    await this.#log.flushed();
    this.#abandoned.abort();
    this.#note({ status: "stopped", pid: null, reason: this.#stopReason, nextRestartAt: null });
  }

  async #supervise(): Promise<void> {
    const { clock, limits, random, metrics } = this.#options;
    const { signal } = this.#stopping;
    for (let isFirst = true; !signal.aborted; isFirst = false) {
      if (!isFirst) metrics.sensorRestarted(this.#source.sensorRef);
      this.#note({ status: "starting", failures: this.#failures, nextRestartAt: null });
      const ended = await this.#runProtocol();
      if (signal.aborted) return;

      const verdict = judgeExit(ended, this.#failures, limits.restart, random());
      this.#failures = verdict.failures;
      const nextMs =
        verdict.delayMs === null
          ? Number.POSITIVE_INFINITY
          : this.#protocol.nextRunMs(clock.monotonicMs() + verdict.delayMs);
      this.#noteVerdict(verdict, ended.exit, nextMs);
      await this.#waitUntil(nextMs);
    }
  }

  async #runProtocol(): Promise<EndedRun> {
    try {
      return await this.#protocol.run(this.#context());
    } catch (error) {
      // A failure of the agent, not of the sensor; it must not take the other sensors with it.
      this.#logger.error({ err: error }, "running the sensor failed unexpectedly");
      const reason = `the agent failed to run it: ${error instanceof Error ? error.message : String(error)}`;
      return { exit: { kind: "unstarted", reason }, uptimeMs: 0, hadSuccess: false };
    }
  }

  #context(): RunContext {
    const { clock, limits } = this.#options;
    const { definition } = this.#assignment.sensor;
    const refs = definition.triggers.map((trigger) => trigger.ref);
    return {
      definition,
      served: { main: refs[0] ?? "", all: new Set(refs) },
      limits,
      clock,
      stopping: this.#stopping.signal,
      abandoned: this.#abandoned.signal,
      launch: () => this.#launch(),
      submit: (event, bytes) => this.#submit(event, bytes),
      reject: (rejections) => this.#rejected.note(rejections),
      logStderr: (lines) => {
        const texts = lines.map(logText);
        this.#log.write(texts);
        this.#stderr.push(texts);
      },
    };
  }

  #submit(event: DecodedEvent, bytes: number): Promise<boolean> | boolean {
    if (this.#intake.hasRoom) {
      this.#intake.admit({ ...event, source: this.#source }, bytes);
      return true;
    }
    return this.#submitLater(event, bytes);
  }

  async #submitLater(event: DecodedEvent, bytes: number): Promise<boolean> {
    await this.#intake.room();
    if (this.#abandoned.signal.aborted) return false;
    this.#intake.admit({ ...event, source: this.#source }, bytes);
    return true;
  }

  async #launch(): Promise<Launch> {
    const { clock, limits } = this.#options;
    const { sensor, runtime } = this.#assignment;
    await this.#intake.settled();
    const checkpoint = await this.#newestCheckpoint();
    if (this.#stopping.signal.aborted) return { kind: "unstarted", reason: "it was stopped first" };

    this.#stderr.clear();
    const launch = await launchSensor(
      {
        sensor,
        runtime,
        checkpoint,
        marker: this.#marker,
        // A poll sensor's descendants are looked for when it stops: doing so at each run would cost too much.
        isMarkerSought: sensor.definition.protocol !== "poll",
        onWarning: (warning) => {
          this.#log.write([warning]);
          this.#logger.warn({}, warning);
        },
        signal: this.#stopping.signal,
      },
      { ...this.#options, graceMs: limits.graceMs },
    );
    if (launch.kind === "unstarted") return launch;

    const { pid, exit } = launch.child;
    const startedAt = new Date(clock.nowMs());
    this.#note({
      status: "running",
      pid,
      reason: null,
      startedAt,
      stoppedAt: null,
      exitCode: null,
      signal: null,
    });
    void this.#noteExit(exit);
    return launch;
  }

  /** Waits for the database only while nothing is known: a sensor must not start over by mistake. */
  async #newestCheckpoint(): Promise<JsonValue | undefined> {
    const { clock, database } = this.#options;
    while (!this.#stopping.signal.aborted) {
      try {
        this.#checkpoint = { value: await rowOf(database, readCheckpoint, this.#source.sensorId) };
        break;
      } catch (error) {
        if (this.#checkpoint !== undefined) break;
        this.#logger.debug({ err: error }, "waiting for the database to read the sensor's checkpoint");
        await clock.sleep(checkpointRetryMs, this.#stopping.signal);
      }
    }
    return this.#checkpoint?.value;
  }

  async #noteExit(exit: Promise<ChildExit>): Promise<void> {
    const ended = await exit;
    this.#note({
      pid: null,
      stoppedAt: new Date(this.#options.clock.nowMs()),
      exitCode: ended.kind === "exited" ? ended.code : null,
      signal: ended.kind === "signalled" ? ended.signal : null,
    });
  }

  #noteVerdict(verdict: Verdict, exit: Exit, nextMs: number): void {
    const { clock } = this.#options;
    const reason = describeExit(exit);
    const waitMs = nextMs - clock.monotonicMs();
    const stderr = this.#stderr.lines().map(this.#options.redact);
    this.#note({
      status: verdict.kind === "failed" ? "failed" : "backoff",
      failures: verdict.failures,
      reason,
      stderrExcerpt: stderr.length === 0 ? null : stderr.join("\n"),
      nextRestartAt: Number.isFinite(waitMs) ? new Date(clock.nowMs() + waitMs) : null,
    });
    this.#log.write([
      `${reason}; ${Number.isFinite(waitMs) ? `next start in ${Math.round(waitMs) / 1_000} s` : "it is not started again"}`,
    ]);
    const fields = {
      reason,
      failures: verdict.failures,
      next_start_ms: Number.isFinite(waitMs) ? Math.round(waitMs) : null,
      stderr: stderr.slice(-3),
    };
    if (verdict.kind === "restart") {
      this.#logger.warn(fields, "sensor ended unexpectedly and is started again");
      return;
    }
    if (!verdict.isNew) return;
    this.#logger.error(fields, "sensor has failed");
    this.#options.alert({
      sensorId: this.#source.sensorId,
      sensorRef: this.#source.sensorRef,
      payload: {
        sensor_ref: this.#source.sensorRef,
        reason,
        failures: verdict.failures,
        exit_code: this.#report.exitCode,
        signal: this.#report.signal,
        stderr,
      },
    });
  }

  async #waitUntil(targetMs: number): Promise<void> {
    const { clock } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted && !this.#retry.signal.aborted) {
      const waitMs = targetMs - clock.monotonicMs();
      if (waitMs <= 0) break;
      await clock.sleep(Math.min(waitMs, sleepMsMax), AbortSignal.any([signal, this.#retry.signal]));
    }
    if (this.#retry.signal.aborted) this.#failures = 0;
    this.#retry = new AbortController();
  }

  async #abandonInTime(): Promise<void> {
    const { clock, limits } = this.#options;
    await clock.sleep(limits.graceMs + limits.settleMs, this.#abandoned.signal);
    this.#abandoned.abort();
    this.#intake.abandon();
  }

  #note(change: Partial<ProcessReport>): void {
    const before = this.#report;
    this.#report = { ...before, ...change };
    const { status, reason } = this.#report;
    if (status !== before.status || reason !== before.reason) {
      this.#options.onStatus?.(this.#source.sensorRef, status, reason);
    }
    this.#options.recorder.record(this.#source.sensorId, this.#assignment.term.instance, this.#report);
  }
}

function millisecondsOf(seconds: number | null): number | null {
  return seconds === null ? null : seconds * 1_000;
}
