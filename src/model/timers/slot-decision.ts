/**
 * What to do with the next slot of a timer: the state machine of slots, as a pure function.
 *
 *              ┌─▶ fired           an event was stored for it, at most a second late
 *   (future) ─▶ due ─▶ fired late  the same, later than that
 *              └─▶ skipped         for a reason: down, clock, overlap, paused, window, refused
 *
 * The slots of a rule are settled in order, and each exactly once: `settledUntilMs` is the last one that was decided, and a
 * decision is only ever about the slots right after it. It is one of
 *
 *   wait   until a time: the next slot is not due, the rule is paused, or a made-up fire keeps its distance
 *   fire   the next slot
 *   known  an event exists for the next slot: an agent that was killed stored it without noting that
 *   skip   the next slot and those up to another one
 *
 * In ordinary operation a due slot is at most `briefMs` late, and fires. Otherwise the reason for the delay decides:
 *
 * - It fell into a time in which the rule was disabled or paused. `on_resume` decides: skip all such slots, fire the newest
 *   one, or fire all of them.
 * - The timers did not run (down), the clock was set forward over it (clock), or earlier events still waited to be stored
 *   (overlap). `catch_up` decides: none fires only the newest slot, and only within `graceMs`; last fires the newest; all
 *   fires all of them, `spacing` apart.
 *
 * Slots that are later than the window are skipped in both cases. While missed slots are made up, newly due slots wait
 * their turn. Made-up fires follow each other at least twice as fast as new slots come due, so that the wait ends.
 *
 * Slots are identified by the time for which they are scheduled, as the wall clock shows it. If the clock is set back, slots
 * that were settled are not settled again. See `isAhead` for when that would be worse than silence.
 */
import type { Slot } from "../schedules/schedule.ts";
import type { TimerPlan } from "../schedules/timer-plan.ts";
import { countSlots, newestBefore, newestDue } from "./slot-search.ts";

/** Why the timers did not settle slots in time. */
export type AwayReason = "down" | "clock" | "overlap";

export type SkipReason = AwayReason | "paused" | "window" | "refused";

export interface TimerState {
  /** The scheduled time of the last slot that was decided. */
  readonly settledUntilMs: number;
  readonly executionCount: number;
  readonly lastFiredMs: number | null;
}

/** Times with both ends in Unix milliseconds, the second excluded. */
export interface Span {
  readonly fromMs: number;
  readonly untilMs: number;
}

export interface Absence extends Span {
  readonly reason: AwayReason;
}

export interface Circumstances {
  /** When the rule was disabled or paused, except by its present `paused_until`; in order. */
  readonly pauses: readonly Span[];
  /** Since when it has had its present `paused_until`. */
  readonly pausedSinceMs: number | null;
  /** When the timers did not run, as far as known; in order. Slots at other times are late because of an overlap. */
  readonly absences: readonly Absence[];
  /** Slots for which events exist, in order. */
  readonly firedMs: readonly number[];
  /** How many slots of a skipped range are counted one by one. */
  readonly countMax: number;
}

export type Decision =
  /** Infinity: no slot will follow. */
  | { readonly kind: "wait"; readonly untilMs: number }
  | { readonly kind: "fire"; readonly slot: Slot }
  | { readonly kind: "known"; readonly slot: Slot }
  | {
      readonly kind: "skip";
      readonly reason: SkipReason;
      /** Scheduled times. */
      readonly firstMs: number;
      readonly lastMs: number;
      readonly slots: number;
      readonly isCounted: boolean;
    };

/** A slot that is later than this counts as late. */
export const onTimeMs = 1_000;

/** Slots that are not later than this fire in any case. */
const briefMs = 5_000;

/** How late the newest of several missed slots may fire without catching up. */
const graceMs = 60_000;

/** Clocks of machines differ; a cursor may be that far ahead of the present clock. */
const skewMs = 60_000;

export function decide(
  plan: TimerPlan,
  state: TimerState,
  circumstances: Circumstances,
  nowMs: number,
): Decision {
  const { schedule, firesMax } = plan;
  if (firesMax !== null && state.executionCount >= firesMax) return never;
  const slot = schedule.next(state.settledUntilMs);
  if (slot === undefined) return never;
  if (circumstances.firedMs.length > 0 && circumstances.firedMs.includes(slot.scheduledMs))
    return { kind: "known", slot };
  if (slot.dueMs > nowMs) return { kind: "wait", untilMs: slot.dueMs };
  const { pauses, pausedSinceMs } = circumstances;
  if (pauses.length === 0 && pausedSinceMs === null && nowMs - slot.dueMs <= briefMs)
    return { kind: "fire", slot };

  const gap = new Gap(plan, state, circumstances, nowMs, slot);
  const pause = gap.pauseAt(slot.scheduledMs);
  if (pause !== undefined) return gap.decidePaused(pause);
  return nowMs - slot.dueMs <= briefMs ? { kind: "fire", slot } : gap.decideMissed();
}

/**
 * Whether the clock was set back so far that waiting for it would silence the timer: by more than `skewMs`, and over more
 * than one slot, so that the timer used to fire more often than that. It then begins anew.
 */
export function isAhead({ schedule }: TimerPlan, settledUntilMs: number, nowMs: number): boolean {
  if (settledUntilMs <= nowMs + skewMs) return false;
  const first = schedule.next(nowMs);
  if (first === undefined || first.scheduledMs > settledUntilMs) return false;
  const second = schedule.next(first.scheduledMs);
  return second !== undefined && second.scheduledMs <= settledUntilMs;
}

/**
 * Whether nothing was decided since the schedule began, and it begins more than `skewMs` from now: it was made under a clock
 * that is ahead of the present one, and would be silent until then.
 */
export function isYetToBegin(sinceMs: number, settledUntilMs: number, nowMs: number): boolean {
  return settledUntilMs <= sinceMs && sinceMs > nowMs + skewMs;
}

const never: Decision = { kind: "wait", untilMs: Number.POSITIVE_INFINITY };

type Class = "paused" | "missed";

/** The slots from the next one to the present, with why they were not settled in time. */
class Gap {
  readonly #plan: TimerPlan;
  readonly #state: TimerState;
  readonly #circumstances: Circumstances;
  readonly #nowMs: number;
  readonly #slot: Slot;
  readonly #pauses: readonly Span[];

  constructor(plan: TimerPlan, state: TimerState, circumstances: Circumstances, nowMs: number, slot: Slot) {
    const { pauses, pausedSinceMs } = circumstances;
    this.#plan = plan;
    this.#state = state;
    this.#circumstances = circumstances;
    this.#nowMs = nowMs;
    this.#slot = slot;
    const { pausedUntilMs } = plan;
    this.#pauses =
      pausedSinceMs === null || pausedUntilMs === null
        ? pauses
        : [...pauses, { fromMs: pausedSinceMs, untilMs: pausedUntilMs }];
  }

  pauseAt(scheduledMs: number): Span | undefined {
    // The last one that holds it, because pauses may overlap.
    return this.#pauses.findLast(({ fromMs, untilMs }) => fromMs <= scheduledMs && scheduledMs < untilMs);
  }

  decidePaused(pause: Span): Decision {
    const { onResume } = this.#plan;
    if (onResume === "skip") return this.#skipUntil(pause.untilMs, "paused");
    if (pause.untilMs > this.#nowMs) return { kind: "wait", untilMs: pause.untilMs };
    if (onResume === "all") return this.#makeUpAll(pause.untilMs);
    return this.#makeUpNewest("paused", pause.untilMs, "paused");
  }

  decideMissed(): Decision {
    const { mode } = this.#plan.catchUp;
    const { scheduledMs, dueMs } = this.#slot;
    const { absences } = this.#circumstances;
    const pauseMs =
      this.#pauses.find(({ fromMs }) => fromMs > scheduledMs)?.fromMs ?? Number.POSITIVE_INFINITY;
    const absence = absences.findLast(({ fromMs, untilMs }) => fromMs <= dueMs && dueMs < untilMs);
    const nextMs =
      absence?.untilMs ?? absences.find(({ fromMs }) => fromMs > dueMs)?.fromMs ?? Number.POSITIVE_INFINITY;
    const untilMs = Math.max(Math.min(pauseMs, nextMs), scheduledMs + 1);
    if (mode === "all") return this.#makeUpAll(untilMs);
    return this.#makeUpNewest("missed", untilMs, absence?.reason ?? "overlap");
  }

  #makeUpAll(untilMs: number): Decision {
    const { schedule, catchUp } = this.#plan;
    const slot = this.#slot;
    const windowMs = catchUp.windowSeconds * 1_000;
    if (this.#nowMs - slot.dueMs > windowMs) {
      return this.#skipUntil(Math.min(untilMs, this.#nowMs - windowMs - this.#shiftMs), "window");
    }
    const { lastFiredMs } = this.#state;
    const nextMs = schedule.next(slot.scheduledMs)?.scheduledMs ?? Number.POSITIVE_INFINITY;
    const spacingMs = Math.min(catchUp.spacingSeconds * 1_000, (nextMs - slot.scheduledMs) / 2);
    const fromMs = lastFiredMs === null ? 0 : lastFiredMs + spacingMs;
    // Of a clock that was set back, the last fire may lie ahead.
    if (fromMs > this.#nowMs && fromMs <= this.#nowMs + spacingMs) return { kind: "wait", untilMs: fromMs };
    return { kind: "fire", slot };
  }

  #makeUpNewest(kind: Class, untilMs: number, reason: SkipReason): Decision {
    const { catchUp } = this.#plan;
    const slot = this.#slot;
    const isLimited = kind === "missed" && catchUp.mode === "none";
    const lateMaxMs = isLimited
      ? Math.min(graceMs, catchUp.windowSeconds * 1_000)
      : catchUp.windowSeconds * 1_000;
    const newest = this.#newestOf(kind);
    const last = newest ?? slot;
    const fires = this.#nowMs - last.dueMs <= lateMaxMs;
    if (fires && last.scheduledMs === slot.scheduledMs) return { kind: "fire", slot };
    const untilNewestMs = fires ? last.scheduledMs : Number.POSITIVE_INFINITY;
    const briefly = kind === "missed" ? this.#nowMs - briefMs - this.#shiftMs : Number.POSITIVE_INFINITY;
    return this.#skipUntil(Math.min(untilMs, untilNewestMs, briefly), fires || isLimited ? reason : "window");
  }

  /** The newest slot of that class that is due; undefined if no later one is. */
  #newestOf(kind: Class): Slot | undefined {
    const { schedule } = this.#plan;
    let beforeMs = Number.POSITIVE_INFINITY;
    for (;;) {
      const found =
        beforeMs === Number.POSITIVE_INFINITY
          ? newestDue(schedule, this.#slot.scheduledMs, this.#nowMs)
          : newestBefore(schedule, this.#slot.scheduledMs, beforeMs);
      if (found === undefined) return undefined;
      const pause = this.pauseAt(found.scheduledMs);
      if ((pause === undefined ? "missed" : "paused") === kind) return found;
      // Past this pause, or back to the end of the one before.
      beforeMs =
        pause?.fromMs ??
        Math.max(
          ...this.#pauses.map(({ untilMs }) =>
            untilMs <= found.scheduledMs ? untilMs : Number.NEGATIVE_INFINITY,
          ),
        );
      if (beforeMs <= this.#slot.scheduledMs) return undefined;
    }
  }

  /** How much later than scheduled the slot is due. */
  get #shiftMs(): number {
    return this.#slot.dueMs - this.#slot.scheduledMs;
  }

  /** Skips the slot, and those after it that are due and scheduled before that time. */
  #skipUntil(beforeMs: number, reason: SkipReason): Decision {
    const { schedule } = this.#plan;
    const { firedMs, countMax } = this.#circumstances;
    const firstMs = this.#slot.scheduledMs;
    const knownMs = firedMs.find((atMs) => atMs > firstMs) ?? Number.POSITIVE_INFINITY;
    const endMs = Math.min(beforeMs, knownMs);
    const due = newestDue(schedule, firstMs, this.#nowMs);
    const last = due === undefined || due.scheduledMs < endMs ? due : newestBefore(schedule, firstMs, endMs);
    const lastMs = last?.scheduledMs ?? firstMs;
    const rest = lastMs === firstMs ? nothing : countSlots(schedule, firstMs, lastMs, countMax);
    return {
      kind: "skip",
      reason,
      firstMs,
      lastMs,
      slots: 1 + rest.slots,
      isCounted: rest.isCounted,
    };
  }
}

const nothing = { slots: 0, isCounted: true } as const;
