/**
 * Supervises the source of one sensor on this worker, from its start until it is completely gone.
 *
 *              ┌────────────── retry: time, retryNow ──────────────┐
 *              ▼                                                   │
 *   (new) ─▶ starting ──source at work──▶ running ──ended──▶ judgeExit ─▶ backoff
 *              │                                                   │
 *              └───────────── could not be started ───────────────▶└─────▶ failed
 *
 *   any ──stop──▶ source told to end ─▶ its run has ended ─▶ events settled ─▶ source closed ─▶ stopped
 *
 * - starting: events of earlier runs settle, the newest checkpoint is read, and the source starts working.
 * - running: the source is working; for a poll sensor also between two successful runs of its program.
 * - backoff: it failed and will be retried soon, or its source waits for something that is not the sensor's fault.
 * - failed: it failed too often in a row. This is announced once; then it is retried at the maximum delay, or never if
 *   restarts are disabled. `retryNow` resets the failure count.
 * - stopped: final; a sensor that should run again gets a new instance.
 *
 * Invariants: The source has at most one run at a time. A checkpoint is handed out only when every event submitted before
 * is stored or refused, so that it is not about to change. `run` resolves only when the source is closed, which leaves
 * no process, and its submitted events are settled or, if the worker is stopping, the time for that is over.
 */
import { setMaxListeners } from "node:events";
import type { ProcessReport } from "../database/statements/sensor-process.ts";
import { messageOf } from "../errors/caught.ts";
import type { JsonValue } from "../model/json/json.ts";
import { judgeExit, type EndedRun } from "../model/sensors/restart-policy.ts";
import { kindFacts, type SensorKind } from "../model/sensors/sensor-kind.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Clock } from "../time/clock.ts";
import { sleepUntil } from "../time/sleep-until.ts";
import type { CommittedCheckpoint } from "./committed-checkpoint.ts";
import type { EventIntake } from "./event-intake.ts";
import type { SensorLimits } from "./limits.ts";
import type { SensorOutput } from "./output/sensor-output.ts";
import type { SensorMetrics } from "./ports.ts";
import type { SensorLog } from "./report/sensor-log.ts";
import type { SensorNotes } from "./report/sensor-notes.ts";
import type { Source, SourceContext } from "./sources/source.ts";

/** All parts of one sensor; see assemble-instance.ts. */
export interface InstanceParts {
  readonly ref: string;
  readonly kind: SensorKind;
  readonly source: Source;
  readonly intake: EventIntake;
  readonly output: SensorOutput;
  readonly checkpoint: Pick<CommittedCheckpoint, "newest">;
  readonly notes: SensorNotes;
  readonly log: Pick<SensorLog, "flushed">;
  readonly limits: Pick<SensorLimits, "restart" | "graceMs" | "settleMs">;
  readonly metrics: Pick<SensorMetrics, "sensorRestarted">;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: () => number;
}

export class SensorInstance {
  readonly #parts: InstanceParts;
  readonly #context: SourceContext;
  readonly #stopping = new AbortController();
  readonly #abandoned = new AbortController();
  #stopReason = "";
  #failures = 0;
  #retry = new AbortController();

  constructor(parts: InstanceParts) {
    const { output, intake, notes, clock } = parts;
    this.#parts = parts;
    this.#context = {
      output,
      submit: ({ event, title, bytes, onOutcome }) =>
        intake.submit({ kind: "event", event, onOutcome }, title, bytes),
      checkpoint: () => this.#newestCheckpoint(),
      clock,
      stopping: this.#stopping.signal,
      abandoned: this.#abandoned.signal,
      noteRunning: (facts) => notes.noteRunning(facts),
      noteObstacle: (reason, waitMs) => notes.noteObstacle(reason, waitMs),
      noteFacts: (facts) => notes.noteFacts(facts),
      noteOutput: () => notes.noteOutput(),
      log: (lines) => notes.noteLog(lines),
      warn: (warning) => notes.noteWarning(warning),
    };
    // Every run and wait adds and removes a listener; this is not a leak.
    setMaxListeners(0, this.#stopping.signal, this.#abandoned.signal);
  }

  get ref(): string {
    return this.#parts.ref;
  }

  get status(): ProcessReport["status"] {
    return this.#parts.notes.status;
  }

  /** Since when it has been running without output; null if that means nothing for a sensor of its kind. */
  get silentSince(): Date | null {
    const { kind, notes } = this.#parts;
    return kindFacts[kind].isSilenceTelling ? notes.silentSince : null;
  }

  /** See SensorNotes; undefined for a sensor whose output is not tracked. */
  outputAgeSeconds(): number | undefined {
    return this.#parts.notes.outputAgeSeconds();
  }

  /** See SensorNotes; false for a sensor whose output is not tracked. */
  get isUnusuallySilent(): boolean {
    return this.#parts.notes.isUnusuallySilent;
  }

  /** As Source says. */
  deafSeconds(): number | undefined {
    return this.#parts.source.deafSeconds();
  }

  /** Its rules have changed, which is no reason to start it anew. */
  noteRulesChanged(): void {
    this.#parts.source.noteRulesChanged();
  }

  /** As EventIntake says. */
  get lastEventSeconds(): number | undefined {
    return this.#parts.intake.lastEventSeconds;
  }

  /** As EventIntake says. */
  stalledSeconds(): number | undefined {
    return this.#parts.intake.stalledSeconds();
  }

  /** Retries a sensor in backoff or failed at once and resets its failure count; otherwise has no effect. */
  retryNow(): void {
    if (this.status === "backoff" || this.status === "failed") this.#retry.abort();
  }

  /**
   * Starts the stop; `run` resolves when it is complete. It waits for the last events to be stored, however long that
   * takes: until then a successor would resume before them and they would be stored twice.
   */
  stop(reason: string): void {
    if (this.#stopping.signal.aborted) return;
    this.#stopReason = reason;
    this.#stopping.abort();
  }

  /** For the stop of the worker: like `stop`, but abandons events that are not stored in time. Call it once. */
  leave(reason: string): void {
    this.stop(reason);
    void this.#abandonInTime();
  }

  /** Never rejects because of the sensor. */
  async run(): Promise<void> {
    const { source, log, notes } = this.#parts;
    await this.#supervise();
    await this.#settled();
    await source.close();
    await log.flushed();
    this.#abandoned.abort();
    notes.noteStopped(this.#stopReason);
  }

  async #supervise(): Promise<void> {
    const { ref, source, notes, clock, limits, random, metrics } = this.#parts;
    const { signal } = this.#stopping;
    for (let isFirst = true; !signal.aborted; isFirst = false) {
      if (!isFirst) metrics.sensorRestarted(ref);
      notes.noteStarting(this.#failures);
      const ended = await this.#runSource();
      if (signal.aborted) return;

      if (ended.plannedFor !== undefined) {
        notes.notePlannedStart(ended.plannedFor);
        continue;
      }
      const verdict = judgeExit(ended, this.#failures, limits.restart, random());
      this.#failures = verdict.failures;
      const nowMs = clock.monotonicMs();
      const waitMs = verdict.delayMs === null ? null : source.nextRunMs(nowMs + verdict.delayMs) - nowMs;
      notes.noteVerdict(verdict, ended.exit, waitMs === null ? null : Math.round(waitMs));
      await this.#waitUntil(waitMs === null ? Number.POSITIVE_INFINITY : nowMs + waitMs);
    }
  }

  async #runSource(): Promise<EndedRun> {
    const { source, logger } = this.#parts;
    try {
      return await source.run(this.#context);
    } catch (error) {
      // A failure of the agent, not of the sensor; it must not affect the other sensors.
      logger.error({ error }, "could not run the sensor because of a bug in the agent");
      const reason = `the agent failed to run it: ${messageOf(error)}`;
      return { exit: { kind: "unstarted", reason }, uptimeMs: 0, hadSuccess: false };
    }
  }

  async #newestCheckpoint(): Promise<JsonValue | undefined> {
    await this.#settled();
    return this.#parts.checkpoint.newest(this.#stopping.signal);
  }

  /** Resolves when everything submitted is stored or refused and reported, or once abandoned. */
  async #settled(): Promise<void> {
    await this.#parts.intake.settled();
    this.#parts.output.flush();
  }

  async #waitUntil(targetMs: number): Promise<void> {
    const interrupt = AbortSignal.any([this.#stopping.signal, this.#retry.signal]);
    await sleepUntil(targetMs, this.#parts.clock, interrupt);
    if (this.#retry.signal.aborted) this.#failures = 0;
    this.#retry = new AbortController();
  }

  async #abandonInTime(): Promise<void> {
    const { clock, limits, intake } = this.#parts;
    await clock.sleep(limits.graceMs + limits.settleMs, this.#abandoned.signal);
    this.#abandoned.abort();
    intake.abandon();
  }
}
