/**
 * One run of the built-in source `timers`: fires the timers of all rules on its triggers, from one queue with one sleep.
 *
 *   read rules ─▶ find what a killed predecessor fired ─▶ ┌─▶ decide what is due ─▶ sleep until the next slot ─┐ ─▶ stopped
 *                                                         └── changed rules are read ◀── at most a second ◀────┘
 *
 * model/timers/slot-decision.ts decides about each slot, timer.ts keeps a rule's state, and timer-progress.ts writes it.
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
import { Changes } from "../../concurrency/changes.ts";
import type { Database } from "../../database/database.ts";
import { rowsOf } from "../../database/statement.ts";
import { findDuplicateRanges } from "../../database/statements/stored-batches.ts";
import { forgetTimers, readTimers, type TimerRow } from "../../database/statements/timers.ts";
import type { Id } from "../../model/identifiers.ts";
import type { JsonObject } from "../../model/json/json.ts";
import { aimAt } from "../../model/rules/rule-aim.ts";
import type { Slot } from "../../model/schedules/schedule.ts";
import type { AcceptOutcome, AssignmentTerm } from "../../model/sensors/incoming-event.ts";
import { counted } from "../../model/texts/counted.ts";
import { decide, type Decision } from "../../model/timers/slot-decision.ts";
import type { Settlement } from "../../model/timers/timer-record.ts";
import type { Logger } from "../../telemetry/logger.ts";
import type { Clock } from "../../time/clock.ts";
import type { SensorMetrics } from "../ports.ts";
import type { SourceContext } from "../sources/source.ts";
import { ClockWatch } from "./clock-watch.ts";
import { DueTimes } from "./due-times.ts";
import { SkippedSlots } from "./skipped-slots.ts";
import { TimerProgress } from "./timer-progress.ts";
import { Timer, type DecodeTimer, type PendingSlot } from "./timer.ts";

export interface TimerRunOptions {
  readonly database: Database;
  readonly sensorId: Id;
  readonly sensorRef: string;
  readonly term: AssignmentTerm;
  readonly metrics: Pick<SensorMetrics, "timerFired" | "timersSkipped">;
  readonly logger: Logger;
  readonly random: () => number;
}

const types: Readonly<Record<string, string>> = {
  "core.intervaltimer": "interval",
  "core.timer": "interval",
  "core.crontimer": "cron",
  "core.datetimetimer": "datetime",
  "core.rruletimer": "rrule",
};

/** So that a clock that is set, or a suspended process, is noticed soon. */
export const lookMs = 1_000;
const reportMs = 5_000;
/** Work on the event loop without a pause. */
const sliceMs = 4;
/** Rules for which events of a predecessor are looked for at once. */
const soughtTimers = 1_000;
/** Skipped slots that are counted one by one: of one rule at once, and of all within a report. */
const countMax = 1_000;
const countsPerReport = 20_000;
const countMin = 16;

/** From reading the rows until the last slots are settled. */
export class TimerRun {
  readonly progress: TimerProgress;
  isFenced = false;
  readonly #options: TimerRunOptions;
  readonly #context: SourceContext;
  readonly #decode: DecodeTimer;
  readonly #clock: Clock;
  readonly #watch: ClockWatch;
  readonly #timers = new Map<Id, Timer>();
  readonly #due = new DueTimes<Timer>();
  readonly #changes = new Changes();
  readonly #skipped = new SkippedSlots();
  #reportedMs = 0;
  #countsLeft = countsPerReport;
  #isReadingFailing = false;
  #underWay = 0;

  constructor(options: TimerRunOptions, context: SourceContext, decode: DecodeTimer) {
    const { clock } = context;
    this.#options = options;
    this.#context = context;
    this.#decode = decode;
    this.#clock = clock;
    this.#watch = new ClockWatch(clock);
    this.progress = new TimerProgress({ ...options, clock, onFenced: () => this.#noteFenced() });
  }

  /** Reads the timers, and what a predecessor fired without writing so. */
  async begin(): Promise<void> {
    const { database } = this.#options;
    await rowsOf(database, forgetTimers, undefined);
    await this.#read();
  }

  /** Reads the rules again. False: they could not be read. */
  async reread(): Promise<boolean> {
    const { logger } = this.#options;
    for (const [id, timer] of this.#timers) {
      // Its rows are read if it comes back; so they must be complete before.
      if (!timer.isActive && !timer.hasPending && this.progress.isWritten(timer)) this.#timers.delete(id);
    }
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
    this.#report();
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
    abandoned.addEventListener("abort", () => this.#changes.note(), { once: true });
    while (this.#underWay > 0 && !abandoned.aborted) await this.#changes.next();
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
    this.#report(true);
  }

  /** If it fails, everything stays as it was. */
  async #read(): Promise<void> {
    const { database, sensorId } = this.#options;
    const rows = await rowsOf(database, readTimers, sensorId);
    const nowMs = this.#clock.nowMs();
    const added = rows
      .filter(({ id }) => !this.#timers.has(id))
      .map((row) => new Timer(row, this.#decode, nowMs));
    await this.#findFired(added);
    for (const timer of this.#apply(rows, added)) this.#due.put(timer, this.#clock.nowMs());
  }

  /** @returns the timers that are new or may have changed */
  #apply(rows: readonly TimerRow[], added: readonly Timer[]): readonly Timer[] {
    const nowMs = this.#clock.nowMs();
    const present = new Set<Id>();
    const changed: Timer[] = [];
    for (const row of rows) {
      present.add(row.id);
      const known = this.#timers.get(row.id);
      if (known !== undefined && (!known.isActive || known.differsFrom(row))) {
        const formerProblem = known.problem;
        known.change(row, this.#decode, nowMs);
        this.#noteProblem(known, formerProblem);
        changed.push(known);
      }
    }
    for (const [id, timer] of this.#timers) {
      if (present.has(id) || !timer.isActive) continue;
      timer.isActive = false;
      this.#due.remove(timer);
    }
    for (const timer of added) {
      this.#timers.set(timer.id, timer);
      this.#noteProblem(timer, null);
    }
    return [...changed, ...added];
  }

  #noteProblem(timer: Timer, former: string | null): void {
    const { problem, ref } = timer;
    if (problem === former) return;
    this.progress.note(timer);
    if (problem !== null) this.#context.warn(`the timer of rule ${ref} does not fire: ${problem}`);
  }

  /** A predecessor that was killed may have fired slots without writing so. */
  async #findFired(timers: readonly Timer[]): Promise<void> {
    const { database, sensorRef } = this.#options;
    for (let from = 0; from < timers.length; from += soughtTimers) {
      const some = timers.slice(from, from + soughtTimers);
      const ranges = some.map((timer, n) => ({
        n,
        trigger_ref: timer.triggerRef,
        source_ref: sensorRef,
        after_key: timer.dedupKey(timer.state.settledUntilMs),
        // Times have thirteen digits, so that keys have the order of their slots.
        before_key: timer.dedupKey(9_999_999_999_999),
      }));
      for (const { n, id, dedupKey } of await rowsOf(database, findDuplicateRanges, { ranges })) {
        some[n]?.noteFired(Number(dedupKey.slice(dedupKey.lastIndexOf(":") + 1)), id);
      }
    }
  }

  /** Decides the next slots of a timer that may be due, and puts it into the queue again. */
  #decide(timer: Timer): Promise<boolean> | undefined {
    if (timer.beginIfAhead(this.#decode, this.#clock.nowMs())) {
      this.progress.note(timer);
      this.#context.log([`the timer of rule ${timer.ref} begins anew, because the clock was set back`]);
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
        countMax: Math.max(Math.min(countMax, this.#countsLeft), countMin),
      };
      const decision = decide(plan, timer.state, circumstances, nowMs);
      switch (decision.kind) {
        case "wait":
          this.#due.put(timer, decision.untilMs);
          return undefined;
        case "known":
          this.#settleKnown(timer, decision.slot, nowMs);
          break;
        case "skip":
          this.#settleSkipped(timer, decision);
          break;
        case "fire": {
          const room = this.#fire(timer, decision.slot, nowMs);
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

  #fire(timer: Timer, slot: Slot, nowMs: number): Promise<boolean> | boolean {
    const { state, plan } = timer;
    const { scheduledMs } = slot;
    const executionCount = state.executionCount + 1;
    const lateMs = Math.max(nowMs - slot.dueMs, 0);
    const firedAt = new Date(nowMs).toISOString();
    const payload: Record<string, JsonObject[string]> = {
      type: types[timer.triggerRef] ?? "timer",
      rule_ref: timer.ref,
      scheduled_at: new Date(scheduledMs).toISOString(),
      fired_at: firedAt,
      late_seconds: lateMs / 1_000,
      execution_count: executionCount,
    };
    if (timer.triggerRef === "core.crontimer" && plan !== undefined) {
      const next = plan.firesMax === executionCount ? undefined : plan.schedule.next(scheduledMs);
      payload["next_fire_at"] = next === undefined ? null : new Date(next.scheduledMs).toISOString();
    }
    const dedupKey = timer.dedupKey(scheduledMs);
    const pending = timer.decided({ settledUntilMs: scheduledMs, executionCount, lastFiredMs: nowMs });
    this.#underWay += 1;
    return this.#context.submit({
      event: {
        triggerRef: timer.triggerRef,
        payload,
        triggerInstanceId: aimAt(timer.id),
        dedupKey,
        occurredAt: firedAt,
        checkpoint: undefined,
      },
      title: dedupKey,
      bytes: 300,
      onOutcome: (outcome) =>
        this.#noteOutcome(timer, pending, outcome, { scheduledMs, firedMs: nowMs, lateMs }),
    });
  }

  #noteOutcome(
    timer: Timer,
    pending: PendingSlot,
    outcome: AcceptOutcome | undefined,
    fire: { readonly scheduledMs: number; readonly firedMs: number; readonly lateMs: number },
  ): void {
    this.#underWay -= 1;
    this.#changes.note();
    switch (outcome?.kind) {
      case "stored":
      case "duplicate":
        this.#settle(timer, pending, { kind: "fired", ...fire, event: outcome.eventId });
        break;
      case "refused":
        this.#settle(timer, pending, skipped(fire.scheduledMs, "refused"));
        break;
      case "fenced":
        this.#noteFenced();
        break;
      case undefined:
        // The pipeline was stopped first: the slot is decided again, by this worker or another one.
        break;
    }
  }

  #settleKnown(timer: Timer, { scheduledMs }: Slot, nowMs: number): void {
    const event = timer.takeFired(scheduledMs);
    const { executionCount } = timer.state;
    const pending = timer.decided({
      settledUntilMs: scheduledMs,
      executionCount: executionCount + 1,
      lastFiredMs: Math.min(scheduledMs, nowMs),
    });
    this.#settle(timer, pending, { kind: "fired", scheduledMs, firedMs: null, lateMs: 0, event });
  }

  #settleSkipped(timer: Timer, decision: Extract<Decision, { kind: "skip" }>): void {
    this.#countsLeft -= decision.isCounted ? decision.slots : countMax;
    const pending = timer.decided({ ...timer.state, settledUntilMs: decision.lastMs });
    this.#settle(timer, pending, { ...decision, kind: "skipped" });
  }

  #settle(timer: Timer, pending: PendingSlot, settlement: Settlement): void {
    const { metrics, logger } = this.#options;
    const nowMs = this.#clock.nowMs();
    const couldNotBegin = timer.plan === undefined || timer.state.settledUntilMs > nowMs;
    for (const settled of timer.settled(pending, settlement, this.#decode, nowMs)) {
      if (settled.kind === "skipped") {
        metrics.timersSkipped(settled.reason, settled.slots);
        this.#skipped.note(timer.ref, settled);
      } else if (settled.firedMs !== null) {
        metrics.timerFired(settled.lateMs / 1_000);
        logger.debug(
          { rule_ref: timer.ref, event_id: settled.event, late_ms: settled.lateMs },
          "a timer fired",
        );
      }
    }
    this.progress.note(timer);
    // It waited for its last slot, to begin with another schedule or under another clock.
    const canBegin = couldNotBegin && !timer.hasPending;
    // A refused event is no fire, so one more is left of `max_fires`.
    const canFireOnceMore = settlement.kind === "skipped" && settlement.reason === "refused";
    if (timer.isActive && (canBegin || canFireOnceMore)) this.#due.put(timer, nowMs);
  }

  #noteFenced(): void {
    this.isFenced = true;
    this.#changes.note();
  }

  /** @param setByMs by how much the clock was set, if it was */
  #noteClock(setByMs: number | undefined): void {
    if (setByMs === undefined) return;
    const { logger } = this.#options;
    const seconds = Math.round(Math.abs(setByMs) / 1_000);
    logger.warn({ seconds }, `the clock was set ${setByMs < 0 ? "back" : "forward"} by ${seconds} s`);
    if (setByMs > 0) return;
    const nowMs = this.#clock.nowMs();
    for (const timer of this.#timers.values()) {
      if (timer.isActive) this.#due.put(timer, nowMs);
    }
  }

  #report(isLast = false): void {
    const nowMs = this.#clock.monotonicMs();
    if (!isLast && nowMs - this.#reportedMs < reportMs) return;
    this.#reportedMs = nowMs;
    this.#countsLeft = countsPerReport;
    const { lines, slots, isRemarkable } = this.#skipped.take();
    if (lines.length === 0) return;
    this.#context.log(lines);
    const { logger } = this.#options;
    if (isRemarkable)
      logger.warn({ slots }, `timers skipped ${counted(slots, "slot")}; the sensor's log has the details`);
    else logger.info({ slots }, `timers skipped ${counted(slots, "slot")} of paused rules`);
  }
}

function skipped(atMs: number, reason: "refused"): Settlement {
  return { kind: "skipped", reason, firstMs: atMs, lastMs: atMs, slots: 1, isCounted: true };
}
