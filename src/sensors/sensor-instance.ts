/**
 * Supervises the source of one sensor on this worker, from the moment it is to run until nothing of it is left.
 *
 *              ┌────────────── retry: time, retryNow ──────────────┐
 *              ▼                                                   │
 *   (new) ─▶ starting ──source at work──▶ running ──ended──▶ judgeExit ─▶ backoff
 *              │                                                   │
 *              └───────────── could not be started ───────────────▶└─────▶ failed
 *
 *   any ──stop──▶ source told to end ─▶ its run has ended ─▶ events settled ─▶ source closed ─▶ stopped
 *
 * - starting: its events of earlier runs are settled, the newest checkpoint is read, its source gets to work.
 * - running: its source is at work; a poll sensor's, also between two successful runs of its program.
 * - backoff: it failed and is tried again soon.
 * - failed: it failed too often in a row. Announced once, then tried at the ceiling of the delays only,
 *   or never with restarts disabled. `retryNow` forgives everything.
 * - stopped: final; a sensor that is wanted again gets a new instance.
 *
 * Invariants: at most one run of the source at a time. A checkpoint is handed out only when every event submitted before
 * is stored or refused, so none is read that is about to move. `run` resolves only when the source is closed, which
 * leaves no process, and its submitted events are settled, or, when the worker itself ends, the time for that is over.
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

/** All of one sensor; see assemble-instance.ts. */
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
    const { output, notes, clock } = parts;
    this.#parts = parts;
    this.#context = {
      output,
      checkpoint: () => this.#newestCheckpoint(),
      clock,
      stopping: this.#stopping.signal,
      abandoned: this.#abandoned.signal,
      noteRunning: (facts) => notes.noteRunning(facts),
      noteFacts: (facts) => notes.noteFacts(facts),
      noteOutput: () => notes.noteOutput(),
      log: (lines) => notes.noteLog(lines),
      warn: (warning) => notes.noteWarning(warning),
    };
    // Every run and wait listens and stops listening again; that is no leak.
    setMaxListeners(0, this.#stopping.signal, this.#abandoned.signal);
  }

  get ref(): string {
    return this.#parts.ref;
  }

  get status(): ProcessReport["status"] {
    return this.#parts.notes.status;
  }

  /** Since when it has been running without any output; null if that tells nothing about a sensor of its kind. */
  get silentSince(): Date | null {
    const { kind, notes } = this.#parts;
    return kindFacts[kind].isSilenceTelling ? notes.silentSince : null;
  }

  /** As SensorNotes says; undefined for a sensor that does not note its output. */
  outputAgeSeconds(): number | undefined {
    return this.#parts.notes.outputAgeSeconds();
  }

  /** As SensorNotes says; never for a sensor that does not note its output. */
  get isUnusuallySilent(): boolean {
    return this.#parts.notes.isUnusuallySilent;
  }

  /** As EventIntake says. */
  get lastEventSeconds(): number | undefined {
    return this.#parts.intake.lastEventSeconds;
  }

  /** As EventIntake says. */
  stalledSeconds(): number | undefined {
    return this.#parts.intake.stalledSeconds();
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
      // A failure of the agent, not of the sensor; it must not take the other sensors with it.
      logger.error({ error }, "could not run the sensor, for a fault of the agent");
      const reason = `the agent failed to run it: ${messageOf(error)}`;
      return { exit: { kind: "unstarted", reason }, uptimeMs: 0, hadSuccess: false };
    }
  }

  async #newestCheckpoint(): Promise<JsonValue | undefined> {
    await this.#settled();
    return this.#parts.checkpoint.newest(this.#stopping.signal);
  }

  /** Resolves when everything submitted is stored or refused, and reported, or once abandoned. */
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
