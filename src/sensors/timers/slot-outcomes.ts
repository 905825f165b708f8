/**
 * Carries decisions about slots out: submits the events of those that fire, and settles slots once it is known what became
 * of them.
 */
import { Changes } from "../../concurrency/changes.ts";
import type { Slot } from "../../model/schedules/schedule.ts";
import type { AcceptOutcome } from "../../model/sensors/incoming-event.ts";
import type { Decision } from "../../model/timers/slot-decision.ts";
import type { Settlement } from "../../model/timers/timer-record.ts";
import type { Logger } from "../../telemetry/logger.ts";
import type { SensorMetrics } from "../ports.ts";
import type { SourceContext } from "../sources/source.ts";
import type { SkipReport } from "./skip-report.ts";
import { fireAt, timerEvent, type Fire } from "./timer-event.ts";
import type { TimerProgress } from "./timer-progress.ts";
import type { DecodeTimer, PendingSlot, Timer } from "./timer.ts";

export interface SlotOutcomesOptions {
  readonly context: SourceContext;
  readonly decode: DecodeTimer;
  readonly progress: Pick<TimerProgress, "note">;
  readonly skips: SkipReport;
  /** Another decision about the timer is due. */
  readonly onDue: (timer: Timer) => void;
  /** Another worker runs the timers now. */
  readonly onFenced: () => void;
  readonly metrics: Pick<SensorMetrics, "timerFired" | "timersSkipped">;
  readonly logger: Logger;
}

const submissionBytes = 300;

export class SlotOutcomes {
  readonly #options: SlotOutcomesOptions;
  readonly #changes = new Changes();
  #underWay = 0;

  constructor(options: SlotOutcomesOptions) {
    this.#options = options;
  }

  /** @returns as `submit` of the context */
  fire(timer: Timer, slot: Slot, nowMs: number): Promise<boolean> | boolean {
    const fire = fireAt(slot, nowMs);
    const { scheduledMs } = fire;
    const executionCount = timer.state.executionCount + 1;
    const event = timerEvent(timer, fire, executionCount);
    const pending = timer.decided({ settledUntilMs: scheduledMs, executionCount, lastFiredMs: nowMs });
    this.#underWay += 1;
    return this.#options.context.submit({
      event,
      title: timer.dedupKey(scheduledMs),
      bytes: submissionBytes,
      onOutcome: (outcome) => this.#noteOutcome(timer, pending, outcome, fire),
    });
  }

  /** A predecessor has fired the slot. */
  settleKnown(timer: Timer, { scheduledMs }: Slot, nowMs: number): void {
    const event = timer.takeFired(scheduledMs);
    const { executionCount } = timer.state;
    const pending = timer.decided({
      settledUntilMs: scheduledMs,
      executionCount: executionCount + 1,
      lastFiredMs: Math.min(scheduledMs, nowMs),
    });
    this.#settle(timer, pending, { kind: "fired", scheduledMs, firedMs: null, lateMs: 0, event });
  }

  settleSkipped(timer: Timer, decision: Extract<Decision, { kind: "skip" }>): void {
    this.#options.skips.noteCounting(decision);
    const pending = timer.decided({ ...timer.state, settledUntilMs: decision.lastMs });
    this.#settle(timer, pending, { ...decision, kind: "skipped" });
  }

  /** Waits for the outcomes of all events that are under way. @param abandoned ends the wait */
  async complete(abandoned: AbortSignal): Promise<void> {
    abandoned.addEventListener("abort", () => this.#changes.note(), { once: true });
    while (this.#underWay > 0 && !abandoned.aborted) await this.#changes.next();
  }

  #noteOutcome(timer: Timer, pending: PendingSlot, outcome: AcceptOutcome | undefined, fire: Fire): void {
    this.#underWay -= 1;
    this.#changes.note();
    switch (outcome?.kind) {
      case "stored":
      case "duplicate":
        this.#settle(timer, pending, { kind: "fired", ...fire, event: outcome.eventId });
        break;
      case "refused":
        this.#settle(timer, pending, refused(fire.scheduledMs));
        break;
      case "fenced":
        this.#options.onFenced();
        break;
      case undefined:
        // The pipeline was stopped first: the slot is decided again, by this worker or another one.
        break;
    }
  }

  #settle(timer: Timer, pending: PendingSlot, settlement: Settlement): void {
    const { context, decode, progress, skips, onDue, metrics, logger } = this.#options;
    const nowMs = context.clock.nowMs();
    const couldNotBegin = timer.plan === undefined || timer.state.settledUntilMs > nowMs;
    for (const settled of timer.settled(pending, settlement, decode, nowMs)) {
      if (settled.kind === "skipped") {
        metrics.timersSkipped(settled.reason, settled.slots);
        skips.note(timer.ref, settled);
      } else if (settled.firedMs !== null) {
        metrics.timerFired(settled.lateMs / 1_000);
        logger.debug(
          { rule_ref: timer.ref, event_id: settled.event, late_ms: settled.lateMs },
          "a timer fired",
        );
      }
    }
    progress.note(timer);
    // It waited for its last slot, to begin with another schedule or under another clock.
    const canBegin = couldNotBegin && !timer.hasPending;
    // A refused event is no fire, so one more is left of `max_fires`.
    const canFireOnceMore = settlement.kind === "skipped" && settlement.reason === "refused";
    if (timer.isActive && (canBegin || canFireOnceMore)) onDue(timer);
  }
}

function refused(atMs: number): Settlement {
  return { kind: "skipped", reason: "refused", firstMs: atMs, lastMs: atMs, slots: 1, isCounted: true };
}
