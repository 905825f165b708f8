/**
 * Reports the state of one sensor in its row, its log, the agent's log and, if it has failed, in an alert.
 */
import type { ProcessReport } from "../../database/statements/sensor-process.ts";
import type { EventSource } from "../../model/sensors/incoming-event.ts";
import type { Redact } from "../../model/texts/redaction.ts";
import { failuresAmong, withFailure, withRun, type RecentRuns } from "../../model/sensors/recent-runs.ts";
import {
  isRhythmKnown,
  isUnusualSilence,
  withOutput,
  type OutputRhythm,
} from "../../model/sensors/output-rhythm.ts";
import { describeExit, type Exit, type Verdict } from "../../model/sensors/restart-policy.ts";
import type { Logger } from "../../telemetry/logger.ts";
import type { Clock } from "../../time/clock.ts";
import type { SensorAlert } from "../ports.ts";
import type { ProcessRecorder } from "./process-recorder.ts";
import type { SensorLog } from "./sensor-log.ts";
import { StderrTail } from "./stderr-tail.ts";

export interface SensorNotesOptions {
  readonly source: EventSource;
  /** The instance that runs the sensor. */
  readonly instance: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly log: Pick<SensorLog, "write" | "writeOutput">;
  readonly recorder: Pick<ProcessRecorder, "record">;
  readonly redact: Redact;
  readonly alert: (alert: SensorAlert) => void;
  /** Called when its status has changed. */
  readonly onStatus: StatusListener;
}

export type StatusListener = (
  sensorRef: string,
  status: ProcessReport["status"],
  reason: string | null,
) => void;

/** Facts about a run in addition to its status; all are about processes. */
export type RunFacts = Partial<Pick<ProcessReport, "pid" | "stoppedAt" | "exitCode" | "signal">>;

/** For a sensor that has not been started. */
export const unstartedReport: ProcessReport = {
  status: "starting",
  pid: null,
  failures: 0,
  recentRuns: 0,
  recentFailures: 0,
  exitCode: null,
  signal: null,
  reason: null,
  stderrExcerpt: null,
  startedAt: null,
  firstOutputAt: null,
  lastOutputAt: null,
  outputIntervalSeconds: null,
  longestSilenceSeconds: null,
  stoppedAt: null,
  nextRestartAt: null,
};

const rhythmNotedEveryMs = 60_000;
/** Warnings quote file names, so there can be any number of different ones. */
const warningsMax = 500;

export class SensorNotes {
  readonly #options: SensorNotesOptions;
  readonly #stderr = new StderrTail();
  readonly #warnings = new Set<string>();
  #report = unstartedReport;
  #toldStatus: ProcessReport["status"] | undefined;
  #rhythm: OutputRhythm | undefined;
  #rhythmNotedAtMs = -Infinity;
  #runs: RecentRuns = [];
  #isRunUnderWay = false;

  constructor(options: SensorNotesOptions) {
    this.#options = options;
  }

  get status(): ProcessReport["status"] {
    return this.#report.status;
  }

  noteStarting(failures: number): void {
    this.#note({ status: "starting", failures, nextRestartAt: null });
    this.#stderr.clear();
  }

  /** A run has started working. */
  noteRunning(facts: RunFacts): void {
    const startedAt = new Date(this.#options.clock.nowMs());
    const fresh = {
      reason: null,
      exitCode: null,
      signal: null,
      stoppedAt: null,
      firstOutputAt: null,
      nextRestartAt: null,
    };
    this.#runs = withRun(this.#runs, false);
    this.#isRunUnderWay = true;
    this.#note({ ...fresh, status: "running", startedAt, ...facts, ...this.#runsReport() });
  }

  /** Changes the row only. */
  noteFacts(facts: RunFacts): void {
    this.#note(facts);
  }

  /** Called for each printed line. The first is reported at once, then one a minute. */
  noteOutput(): void {
    const { clock } = this.#options;
    const monotonicMs = clock.monotonicMs();
    this.#rhythm = withOutput(this.#rhythm, monotonicMs);
    const isFirst = this.#report.firstOutputAt === null;
    if (!isFirst && monotonicMs - this.#rhythmNotedAtMs < rhythmNotedEveryMs) return;
    this.#note(isFirst ? { firstOutputAt: new Date(clock.nowMs()) } : {});
  }

  /** Seconds since it last printed; undefined while it is not running or has not printed yet. */
  outputAgeSeconds(): number | undefined {
    if (this.#rhythm === undefined || this.status !== "running") return undefined;
    return (this.#options.clock.monotonicMs() - this.#rhythm.lastAtMs) / 1_000;
  }

  /** Whether it is running but has been silent for unusually long, by the same rule as doctor. */
  get isUnusuallySilent(): boolean {
    const seconds = this.outputAgeSeconds();
    if (seconds === undefined || this.#rhythm === undefined || !isRhythmKnown(this.#rhythm)) return false;
    return isUnusualSilence(seconds, this.#rhythm.longestMs / 1_000);
  }

  /** Since when it has been running without printing a line. */
  get silentSince(): Date | null {
    const { status, startedAt, firstOutputAt } = this.#report;
    return status === "running" && firstOutputAt === null ? startedAt : null;
  }

  /** Writes to the sensor's log; the last lines are quoted when it fails. */
  noteLog(lines: readonly string[]): void {
    this.#options.log.writeOutput(lines);
    this.#stderr.push(lines, this.#options.clock.monotonicMs());
  }

  /** Each text once, because a poll sensor would repeat it at every run; again only after many others. */
  noteWarning(warning: string): void {
    if (this.#warnings.has(warning)) return;
    this.#warnings.add(warning);
    const [oldest] = this.#warnings;
    if (this.#warnings.size > warningsMax && oldest !== undefined) this.#warnings.delete(oldest);
    this.#options.log.write([warning]);
    this.#options.logger.warn({}, warning);
  }

  /** It ended on its own. @param waitMs until it is restarted; null if it is not */
  noteVerdict(verdict: Verdict, exit: Exit, waitMs: number | null): void {
    const { source, clock, log, logger, redact } = this.#options;
    const { failures } = verdict;
    const reason = describeExit(exit);
    const stderr = this.#stderr.lines().map(redact);
    // A run that could not be started counts too.
    this.#runs = this.#isRunUnderWay ? withFailure(this.#runs) : withRun(this.#runs, true);
    this.#isRunUnderWay = false;
    this.#note({
      ...this.#runsReport(),
      status: verdict.kind === "failed" ? "failed" : "backoff",
      failures,
      reason,
      stderrExcerpt: stderr.length === 0 ? null : stderr.join("\n"),
      nextRestartAt: waitMs === null ? null : new Date(clock.nowMs() + waitMs),
    });
    log.write([`${reason}; ${waitMs === null ? "not started again" : `next start in ${waitMs / 1_000} s`}`]);

    const fields = { reason, failures, next_start_ms: waitMs, stderr };
    if (verdict.kind === "restart") {
      const what =
        exit.kind === "unstarted"
          ? "could not be started; trying again"
          : "ended unexpectedly and is started again";
      logger.warn(fields, `sensor ${source.sensorRef} ${what}: ${reason}`);
    }
    if (verdict.kind === "failed" && verdict.isNew) {
      logger.error(fields, `sensor ${source.sensorRef} has failed: ${reason}`);
      this.#announce(reason, failures, stderr);
    }
  }

  /** It is restarted, as planned. */
  notePlannedStart(reason: string): void {
    this.#isRunUnderWay = false;
    this.#options.log.write([`restarted: ${reason}`]);
    const { logger, source } = this.#options;
    logger.info({ reason }, `restarting sensor ${source.sensorRef}: ${reason}`);
  }

  /** It waits for something other than itself. The log says so once for each reason in a row. */
  noteObstacle(reason: string, waitMs: number): void {
    const isKnown = this.#report.status === "backoff" && this.#report.reason === reason;
    const nextRestartAt = new Date(this.#options.clock.nowMs() + waitMs);
    this.#note({ status: "backoff", pid: null, reason, nextRestartAt });
    if (isKnown) return;
    this.#options.log.write([`waits: ${reason}`]);
    const { logger, source } = this.#options;
    logger.warn({ reason }, `sensor ${source.sensorRef} cannot be started yet; trying again: ${reason}`);
  }

  noteStopped(reason: string): void {
    this.#note({ status: "stopped", pid: null, reason, nextRestartAt: null });
  }

  #announce(reason: string, failures: number, stderr: readonly string[]): void {
    const { sensorId, sensorRef } = this.#options.source;
    const { exitCode, signal } = this.#report;
    const payload = { sensor_ref: sensorRef, reason, failures, exit_code: exitCode, signal, stderr };
    this.#options.alert({ sensorId, sensorRef, payload });
  }

  #runsReport(): Pick<ProcessReport, "recentRuns" | "recentFailures"> {
    return { recentRuns: this.#runs.length, recentFailures: failuresAmong(this.#runs) };
  }

  #rhythmReport(): Pick<ProcessReport, "lastOutputAt" | "outputIntervalSeconds" | "longestSilenceSeconds"> {
    const { clock } = this.#options;
    const rhythm = this.#rhythm;
    if (rhythm === undefined) {
      return { lastOutputAt: null, outputIntervalSeconds: null, longestSilenceSeconds: null };
    }
    const monotonicMs = clock.monotonicMs();
    this.#rhythmNotedAtMs = monotonicMs;
    const isKnown = isRhythmKnown(rhythm);
    return {
      lastOutputAt: new Date(clock.nowMs() - (monotonicMs - rhythm.lastAtMs)),
      outputIntervalSeconds: isKnown ? rhythm.usualMs / 1_000 : null,
      longestSilenceSeconds: isKnown ? rhythm.longestMs / 1_000 : null,
    };
  }

  #note(change: Partial<ProcessReport>): void {
    this.#report = { ...this.#report, ...change, ...this.#rhythmReport() };
    const { source, instance, recorder, onStatus } = this.#options;
    recorder.record(source.sensorId, instance, this.#report);
    const { status, reason } = this.#report;
    if (status === this.#toldStatus) return;
    this.#toldStatus = status;
    onStatus(source.sensorRef, status, reason);
  }
}
