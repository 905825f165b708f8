/**
 * The timer of one rule on the worker that runs it.
 *
 *   decided ──▶ pending ──outcome──▶ settled ──written──▶ in the rows
 *
 * A slot is pending from the decision about it until the outcome of its event is known. Slots are settled in the order in
 * which they were decided, so the record never goes beyond a slot that may have to be decided again.
 *
 * A changed schedule begins once nothing is pending. Its slots lie after the change, and after every settled slot of the
 * former schedule.
 */
import type { TimerCursor, TimerRow, WrittenCursor } from "../../database/statements/timers.ts";
import type { Id } from "../../model/identifiers.ts";
import { nearestDouble } from "../../model/json/exact-number.ts";
import { isJsonObject } from "../../model/json/json.ts";
import type { decodeTimer, TimerPlan } from "../../model/schedules/timer-plan.ts";
import { isAhead, isYetToBegin, type Span, type TimerState } from "../../model/timers/slot-decision.ts";
import {
  beginAnew,
  emptyRecord,
  settle,
  type RecordEntry,
  type Settlement,
  type TimerRecord,
} from "../../model/timers/timer-record.ts";
import type { DueThing } from "./due-times.ts";

export type DecodeTimer = typeof decodeTimer;

export interface PendingSlot {
  /** Undefined until the slot's outcome is known. */
  settlement: Settlement | undefined;
  /** The slot that was decided after it. */
  next: PendingSlot | undefined;
}

/** Entries kept while they cannot be written; as many as the rows keep. */
const unwrittenMax = 200;

export class Timer implements DueThing {
  readonly id: Id;
  dueIndex = -1;
  dueMs = 0;
  /** False: its rule is disabled or gone. */
  isActive = true;
  #row: TimerRow;
  #plan: TimerPlan | undefined;
  #problem: string | null = null;
  #state: TimerState;
  #record: TimerRecord;
  #scheduleSinceMs: number;
  #seriesSinceMs: number;
  /** Slots for which events exist, although they are not settled; in order. */
  #fired: { readonly scheduledMs: number; readonly event: Id }[] = [];
  #firedMs: readonly number[] = [];
  /** In the order of decisions, linked: most of the time there is one or none. */
  #firstPending: PendingSlot | undefined;
  #lastPending: PendingSlot | undefined;
  #unwritten: RecordEntry[] = [];
  #pauses: readonly Span[] = [];

  constructor(row: TimerRow, decode: DecodeTimer, nowMs: number) {
    const { cursor } = row;
    this.id = row.id;
    this.#row = row;
    this.#record = cursor === null ? emptyRecord(row.scheduleSinceMs) : recordOf(cursor);
    this.#scheduleSinceMs = cursor?.scheduleSinceMs ?? row.scheduleSinceMs;
    this.#seriesSinceMs = cursor?.seriesSinceMs ?? row.scheduleSinceMs;
    this.#state = this.#record;
    this.change(row, decode, nowMs);
  }

  get ref(): string {
    return this.#row.ref;
  }

  get triggerRef(): string {
    return this.#row.triggerRef;
  }

  /** Undefined: its params are no schedule, or a new schedule waits until nothing of the old one is pending. */
  get plan(): TimerPlan | undefined {
    return this.#isChanging ? undefined : this.#plan;
  }

  /** Why its params are no schedule. */
  get problem(): string | null {
    return this.#problem;
  }

  get state(): TimerState {
    return this.#state;
  }

  get pauses(): readonly Span[] {
    return this.#pauses;
  }

  get pausedSinceMs(): number | null {
    return this.#row.pausedSinceMs;
  }

  /** Slots for which events of a predecessor exist, in order. */
  get firedMs(): readonly number[] {
    return this.#firedMs;
  }

  get hasPending(): boolean {
    return this.#firstPending !== undefined;
  }

  /** The key of a slot's event: the same for every agent, and another one for another schedule of the rule. */
  dedupKey(scheduledMs: number): string {
    return `timer:${this.id}:${this.#seriesSinceMs}:${scheduledMs}`;
  }

  /** An event of a predecessor was found. To be called in the order of slots, before anything is decided. */
  noteFired(scheduledMs: number, event: Id): void {
    this.#fired.push({ scheduledMs, event });
    this.#firedMs = [...this.#firedMs, scheduledMs];
  }

  /** @returns the event that was found for the slot */
  takeFired(scheduledMs: number): Id | null {
    const found = this.#fired.find((fired) => fired.scheduledMs === scheduledMs);
    this.#fired = this.#fired.filter((fired) => fired.scheduledMs > scheduledMs);
    this.#firedMs = this.#fired.map((fired) => fired.scheduledMs);
    return found?.event ?? null;
  }

  /** Whether its rule has changed in a way that may matter here. */
  differsFrom(row: TimerRow): boolean {
    return factsOf(row) !== factsOf(this.#row);
  }

  /** Its rule has been read again. */
  change(row: TimerRow, decode: DecodeTimer, nowMs: number): void {
    const former = this.#row;
    this.#row = row;
    this.isActive = true;
    this.#pauses = row.pauses.map(([fromMs, untilMs]) => ({ fromMs, untilMs }));
    if (this.#plan === undefined || paramsOf(former) !== paramsOf(row)) {
      this.#decode(decode);
    }
    this.#beginIfChanged(decode, nowMs);
  }

  /** Begins anew if the clock was set back, or is behind the database's, so far that waiting for it would silence the timer. */
  beginIfAhead(decode: DecodeTimer, nowMs: number): boolean {
    if (this.#plan === undefined || this.hasPending) return false;
    const { settledUntilMs } = this.#state;
    if (
      !isAhead(this.#plan, settledUntilMs, nowMs) &&
      !isYetToBegin(this.#seriesSinceMs, settledUntilMs, nowMs)
    )
      return false;
    this.#seriesSinceMs = nowMs;
    this.#record = { ...this.#record, settledUntilMs: nowMs };
    this.#state = this.#record;
    this.#forgetFired();
    this.#decode(decode);
    return true;
  }

  /** A decision was made: until it is settled, the next one is about later slots. */
  decided(state: TimerState): PendingSlot {
    const slot: PendingSlot = { settlement: undefined, next: undefined };
    this.#state = state;
    if (this.#lastPending === undefined) this.#firstPending = slot;
    else this.#lastPending.next = slot;
    this.#lastPending = slot;
    return slot;
  }

  /** @returns what is settled now */
  settled(
    slot: PendingSlot,
    settlement: Settlement,
    decode: DecodeTimer,
    nowMs: number,
  ): readonly Settlement[] {
    slot.settlement = settlement;
    const settled: Settlement[] = [];
    for (let first = this.#firstPending; first?.settlement !== undefined; first = this.#firstPending) {
      this.#firstPending = first.next;
      if (first.next === undefined) this.#lastPending = undefined;
      settled.push(first.settlement);
      const { record, entries } = settle(this.#record, first.settlement);
      this.#record = record;
      this.#addEntries(entries);
    }
    if (settlement.kind === "skipped" && settlement.reason === "refused") {
      this.#state = { ...this.#state, executionCount: this.#state.executionCount - 1 };
    }
    if (!this.hasPending) this.#beginIfChanged(decode, nowMs);
    return settled;
  }

  cursor(): WrittenCursor {
    const record = this.#record;
    return {
      rule: this.id,
      scheduleSinceMs: this.#scheduleSinceMs,
      seriesSinceMs: this.#seriesSinceMs,
      settledUntilMs: record.settledUntilMs,
      executionCount: record.executionCount,
      counts: record.counts,
      lastScheduledMs: record.lastScheduledMs,
      lastFiredMs: record.lastFiredMs,
      runFirstMs: record.runFirstMs,
      runSlots: record.runSlots,
      entries: record.entries,
      problem: this.#problem,
    };
  }

  takeUnwritten(): readonly RecordEntry[] {
    const entries = this.#unwritten;
    this.#unwritten = [];
    return entries;
  }

  /** They could not be written. */
  putBack(entries: readonly RecordEntry[]): void {
    const newer = this.#unwritten;
    this.#unwritten = [...entries];
    this.#addEntries(newer);
  }

  get #isChanging(): boolean {
    return this.#row.scheduleSinceMs !== this.#scheduleSinceMs;
  }

  #beginIfChanged(decode: DecodeTimer, nowMs: number): void {
    if (!this.#isChanging || this.hasPending) return;
    const { scheduleSinceMs } = this.#row;
    // A slot of the old schedule may have fired after the change, before this agent knew of it.
    const sinceMs = Math.max(scheduleSinceMs, Math.min(this.#record.settledUntilMs, nowMs));
    const { record, entries } = beginAnew(this.#record, sinceMs);
    this.#scheduleSinceMs = scheduleSinceMs;
    this.#seriesSinceMs = scheduleSinceMs;
    this.#record = record;
    this.#state = record;
    this.#forgetFired();
    this.#addEntries(entries);
    this.#decode(decode);
  }

  /** They belong to the schedule before. */
  #forgetFired(): void {
    this.#fired = [];
    this.#firedMs = [];
  }

  #decode(decode: DecodeTimer): void {
    const { id, ref, triggerRef, params, calendars } = this.#row;
    const rule = { id, ref, createdMs: this.#seriesSinceMs };
    const decoded = isJsonObject(params)
      ? decode(triggerRef, params, isJsonObject(calendars) ? { ...rule, calendars } : rule)
      : ({ kind: "invalid", problem: "trigger_params are not a JSON object" } as const);
    this.#plan = decoded.kind === "valid" ? decoded.value : undefined;
    this.#problem = decoded.kind === "valid" ? null : decoded.problem;
  }

  #addEntries(entries: readonly RecordEntry[]): void {
    for (const entry of entries) {
      // One that goes on replaces what has not been written of it.
      if (this.#unwritten.at(-1)?.number === entry.number) this.#unwritten.pop();
      this.#unwritten.push(entry);
    }
    if (this.#unwritten.length > unwrittenMax) this.#unwritten = this.#unwritten.slice(-unwrittenMax);
  }
}

/** What its plan is made of. */
function paramsOf({ params, calendars }: TimerRow): string {
  return JSON.stringify([params, calendars]);
}

/** Without the cursor, which only this worker moves. */
function factsOf({ cursor: _cursor, ...facts }: TimerRow): string {
  return JSON.stringify(facts);
}

function recordOf(cursor: TimerCursor): TimerRecord {
  const counts: Record<string, number> = {};
  for (const [outcome, slots] of Object.entries(cursor.counts)) counts[outcome] = nearestDouble(slots) ?? 0;
  return {
    settledUntilMs: cursor.settledUntilMs,
    executionCount: cursor.executionCount,
    counts,
    lastScheduledMs: cursor.lastScheduledMs,
    lastFiredMs: cursor.lastFiredMs,
    runFirstMs: cursor.runFirstMs,
    runSlots: cursor.runSlots,
    entries: cursor.entries,
    lastSkip: null,
  };
}
