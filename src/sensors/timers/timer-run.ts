/**
 * One run of the built-in source `timers`: fires the timers of all rules on its triggers, from one queue with one sleep.
 *
 *   read rules ─▶ find what a killed predecessor fired ─▶ ┌─▶ decide what is due ─▶ sleep until the next slot ─┐ ─▶ stopped
 *                                                         └── changed rules are read ◀── at most a second ◀────┘
 *
 * timer-rules.ts reads the rules, model/timers/slot-decision.ts decides about each slot, slot-outcomes.ts fires and settles it,
 * timer.ts keeps a rule's state, and timer-progress.ts writes it.
 *
 * Invariants:
 *
 * - A slot is decided only if every earlier slot of its rule was. Its event has a dedup_key made of rule, schedule and slot, so
 *   the same slot has at most one event, whichever worker fires it and however often.
 * - A slot is settled only when its event is stored, found to exist, or refused. Only settled slots are written.
 * - Slots that a predecessor fired without recording it are not skipped: the run looks for a timer's events before it decides
 *   anything about it.
 * - A changed rule affects no other: only its own timer is queued again.
 * - After losing the assignment it decides nothing and writes nothing.
 */
import type { Database } from "../../database/database.ts";
import { rowsOf } from "../../database/statement.ts";
import { forgetTimers } from "../../database/statements/timers.ts";
import type { Id } from "../../model/identifiers.ts";
import type { AssignmentTerm } from "../../model/sensors/incoming-event.ts";
import { decide } from "../../model/timers/slot-decision.ts";
import type { Logger } from "../../telemetry/logger.ts";
import type { Clock } from "../../time/clock.ts";
import type { SensorMetrics } from "../ports.ts";
import type { SourceContext } from "../sources/source.ts";
import { ClockWatch } from "./clock-watch.ts";
import { DueTimes } from "./due-times.ts";
import { SkipReport } from "./skip-report.ts";
import { SlotOutcomes } from "./slot-outcomes.ts";
import { TimerProgress } from "./timer-progress.ts";
import { TimerRules } from "./timer-rules.ts";
import type { DecodeTimer, Timer } from "./timer.ts";

export interface TimerRunOptions {
  readonly database: Database;
  readonly sensorId: Id;
  readonly sensorRef: string;
  readonly term: AssignmentTerm;
  readonly metrics: Pick<SensorMetrics, "timerFired" | "timersSkipped">;
  readonly logger: Logger;
  readonly random: () => number;
}

/** So that a clock that is set, or a suspended process, is noticed soon. */
export const lookMs = 1_000;
/** Work on the event loop without a pause. */
const sliceMs = 4;

/** From reading the rows until the last slots are settled. */
export class TimerRun {
  readonly progress: TimerProgress;
  isFenced = false;
  readonly #options: TimerRunOptions;
  readonly #context: SourceContext;
  readonly #decode: DecodeTimer;
  readonly #clock: Clock;
  readonly #watch: ClockWatch;
  readonly #due = new DueTimes<Timer>();
  readonly #rules: TimerRules;
  readonly #skips: SkipReport;
  readonly #outcomes: SlotOutcomes;
  #isReadingFailing = false;

  constructor(options: TimerRunOptions, context: SourceContext, decode: DecodeTimer) {
    const { clock } = context;
    const onFenced = (): void => void (this.isFenced = true);
    this.#options = options;
    this.#context = context;
    this.#decode = decode;
    this.#clock = clock;
    this.#watch = new ClockWatch(clock);
    this.progress = new TimerProgress({ ...options, clock, onFenced });
    this.#rules = new TimerRules({
      ...options,
      decode,
      clock,
      isWritten: (timer) => this.progress.isWritten(timer),
      onProblemChanged: (timer) => this.#noteProblem(timer),
      onEnded: (timer) => this.#due.remove(timer),
    });
    this.#skips = new SkipReport({ ...options, log: context.log, clock });
    this.#outcomes = new SlotOutcomes({
      ...options,
      context,
      decode,
      progress: this.progress,
      skips: this.#skips,
      onDue: (timer) => this.#due.put(timer, clock.nowMs()),
      onFenced,
    });
  }

  /** Reads the timers, and what a predecessor fired without writing so. */
  async begin(): Promise<void> {
    await rowsOf(this.#options.database, forgetTimers, undefined);
    await this.#read();
  }

  /** Reads the rules again. False: they could not be read. */
  async reread(): Promise<boolean> {
    const { logger } = this.#options;
    try {
      await this.#read();
      this.#isReadingFailing = false;
      return true;
    } catch (error) {
      if (!this.#isReadingFailing) logger.warn({ error }, "could not read the rules of timers; trying again");
      this.#isReadingFailing = true;
      return false;
    }
  }

  /** Decides everything that is due, as fast as its events find room; for a second at most, as more may be due all the time. */
  async fireDue(): Promise<void> {
    const { stopping } = this.#context;
    const beganMs = this.#clock.monotonicMs();
    let sliceBeganMs = beganMs;
    while (!stopping.aborted && !this.isFenced && this.#clock.monotonicMs() - beganMs < lookMs) {
      const timer = this.#due.take(this.#clock.nowMs());
      if (timer === undefined) break;
      const room = this.#decide(timer);
      if (room !== undefined && !(await room)) return;
      if (this.#clock.monotonicMs() - sliceBeganMs > sliceMs) {
        await new Promise(setImmediate);
        sliceBeganMs = this.#clock.monotonicMs();
      }
    }
    this.#skips.tellInTime();
  }

  /** Until the next slot is due, or the signal aborts; at most for a second. */
  async sleep(signal: AbortSignal): Promise<void> {
    this.#noteClock(this.#watch.look());
    const sleepMs = Math.min(Math.max(this.#due.nextMs() - this.#clock.nowMs(), 0), lookMs);
    if (sleepMs > 0) await this.#clock.sleep(sleepMs, signal);
    this.#noteClock(this.#watch.look(sleepMs));
  }

  /** Waits for what is under way, and writes how far the timers are. */
  async finish(): Promise<void> {
    const { abandoned } = this.#context;
    const { logger } = this.#options;
    await this.#outcomes.complete(abandoned);
    if (this.isFenced) return;
    const written = this.progress.flush().catch((error: unknown) => {
      logger.warn(
        { error },
        "could not write the progress of timers; their last slots will be decided again",
      );
    });
    const given = Promise.withResolvers<void>();
    abandoned.addEventListener("abort", () => given.resolve(), { once: true });
    if (abandoned.aborted) given.resolve();
    await Promise.race([written, given.promise]);
    this.#skips.tell();
  }

  async #read(): Promise<void> {
    for (const timer of await this.#rules.read()) this.#due.put(timer, this.#clock.nowMs());
  }

  #noteProblem(timer: Timer): void {
    const { problem, ref } = timer;
    this.progress.note(timer);
    if (problem !== null) this.#context.warn(`the timer of rule ${ref} does not fire: ${problem}`);
  }

  /** Decides the next slots of a timer that may be due, and puts it into the queue again. */
  #decide(timer: Timer): Promise<boolean> | undefined {
    if (timer.beginIfAhead(this.#decode, this.#clock.nowMs())) {
      this.progress.note(timer);
      this.#context.log([
        `the timer of rule ${timer.ref} begins anew, because the clock was set back or is behind the database's`,
      ]);
    }
    const { plan } = timer;
    if (plan === undefined || !timer.isActive) return undefined;
    for (;;) {
      const nowMs = this.#clock.nowMs();
      const circumstances = {
        pauses: timer.pauses,
        pausedSinceMs: timer.pausedSinceMs,
        absences: this.#watch.absences,
        firedMs: timer.firedMs,
        countMax: this.#skips.countMax,
      };
      const decision = decide(plan, timer.state, circumstances, nowMs);
      switch (decision.kind) {
        case "wait":
          this.#due.put(timer, decision.untilMs);
          return undefined;
        case "known":
          this.#outcomes.settleKnown(timer, decision.slot, nowMs);
          break;
        case "skip":
          this.#outcomes.settleSkipped(timer, decision);
          break;
        case "fire": {
          const room = this.#outcomes.fire(timer, decision.slot, nowMs);
          if (room === true) break;
          // The next slots are decided when there is room for this one.
          if (room === false) return Promise.resolve(false);
          return this.#continueAfter(timer, room);
        }
      }
    }
  }

  async #continueAfter(timer: Timer, room: Promise<boolean>): Promise<boolean> {
    const hasRoom = await room;
    if (hasRoom) this.#due.put(timer, this.#clock.nowMs());
    return hasRoom;
  }

  /** @param setByMs by how much the clock was set, if it was */
  #noteClock(setByMs: number | undefined): void {
    if (setByMs === undefined) return;
    const { logger } = this.#options;
    const seconds = Math.round(Math.abs(setByMs) / 1_000);
    logger.warn({ seconds }, `the clock was set ${setByMs < 0 ? "back" : "forward"} by ${seconds} s`);
    if (setByMs > 0) return;
    const nowMs = this.#clock.nowMs();
    for (const timer of this.#rules.timers()) {
      if (timer.isActive) this.#due.put(timer, nowMs);
    }
  }
}
