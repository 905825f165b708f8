/**
 * The record of a rule's settled slots: counts since the schedule began, and entries about single slots.
 *
 * An entry is about one slot, with two exceptions that keep fast timers from filling the record: fires on time less than a
 * minute apart form a run, which becomes one entry after ten minutes or when anything else happens; and a skip that directly
 * follows another one with the same reason extends its entry.
 */
import type { Id } from "../identifiers.ts";
import { onTimeMs, type SkipReason } from "./slot-decision.ts";

export type Settlement =
  | {
      readonly kind: "fired";
      readonly scheduledMs: number;
      /** Null for an event that an earlier agent stored. */
      readonly firedMs: number | null;
      readonly lateMs: number;
      readonly event: Id | null;
    }
  | {
      readonly kind: "skipped";
      readonly reason: SkipReason;
      readonly firstMs: number;
      readonly lastMs: number;
      readonly slots: number;
      readonly isCounted: boolean;
    };

export interface TimerRecord {
  /** The last slot that is settled. */
  readonly settledUntilMs: number;
  readonly executionCount: number;
  /** Slots by outcome: `fired`, `late`, or the reason why they were skipped. */
  readonly counts: Readonly<Record<string, number>>;
  readonly lastScheduledMs: number | null;
  readonly lastFiredMs: number | null;
  /** The present run. */
  readonly runFirstMs: number | null;
  readonly runSlots: number;
  /** How many entries there have been. */
  readonly entries: number;
  /** The newest entry if it is a skip. */
  readonly lastSkip: RecordEntry | null;
}

export interface RecordEntry {
  readonly number: number;
  readonly outcome: "fired" | "late" | "skipped";
  readonly reason: SkipReason | null;
  readonly firstMs: number;
  readonly lastMs: number;
  readonly slots: number;
  readonly isCounted: boolean;
  readonly lateSeconds: number | null;
  readonly firedMs: number | null;
  readonly event: Id | null;
}

export interface Recorded {
  readonly record: TimerRecord;
  /** New or changed, by number. */
  readonly entries: readonly RecordEntry[];
}

const runGapMs = 60_000;
const runMs = 600_000;

export function emptyRecord(settledUntilMs: number): TimerRecord {
  return {
    settledUntilMs,
    executionCount: 0,
    counts: {},
    lastScheduledMs: null,
    lastFiredMs: null,
    runFirstMs: null,
    runSlots: 0,
    entries: 0,
    lastSkip: null,
  };
}

/** The record of a new schedule: its counts start at zero, and its entries follow those of the former schedule. */
export function beginAnew(former: TimerRecord, settledUntilMs: number): Recorded {
  const { record, entries } = closeRun(former);
  return { record: { ...emptyRecord(settledUntilMs), entries: record.entries }, entries };
}

export function settle(record: TimerRecord, settlement: Settlement): Recorded {
  return settlement.kind === "fired" ? settleFired(record, settlement) : settleSkipped(record, settlement);
}

function settleFired(
  record: TimerRecord,
  { scheduledMs, firedMs, lateMs, event }: Extract<Settlement, { kind: "fired" }>,
): Recorded {
  const outcome = lateMs > onTimeMs ? "late" : "fired";
  const { lastScheduledMs, runFirstMs } = record;
  const follows = lastScheduledMs !== null && scheduledMs - lastScheduledMs < runGapMs;
  const isOfRun = outcome === "fired" && firedMs !== null && follows;
  const goesOn = isOfRun && runFirstMs !== null && scheduledMs - runFirstMs < runMs;
  const counted: TimerRecord = {
    settledUntilMs: scheduledMs,
    executionCount: record.executionCount + 1,
    counts: added(record.counts, outcome, 1),
    lastScheduledMs: scheduledMs,
    lastFiredMs: firedMs ?? scheduledMs,
    runFirstMs,
    runSlots: goesOn ? record.runSlots + 1 : record.runSlots,
    entries: record.entries,
    lastSkip: null,
  };
  // Most fires end here, so that each makes one record.
  if (goesOn) return { record: counted, entries: [] };
  if (isOfRun) {
    const closed = closeRun(record);
    const fresh = { runFirstMs: scheduledMs, runSlots: 1, entries: closed.record.entries };
    return { record: { ...counted, ...fresh }, entries: closed.entries };
  }
  return withEntry(record, counted, {
    outcome,
    reason: null,
    firstMs: scheduledMs,
    lastMs: scheduledMs,
    slots: 1,
    isCounted: true,
    lateSeconds: firedMs === null ? null : lateMs / 1_000,
    firedMs,
    event,
  });
}

function settleSkipped(
  record: TimerRecord,
  { reason, firstMs, lastMs, slots, isCounted }: Extract<Settlement, { kind: "skipped" }>,
): Recorded {
  const counted: TimerRecord = {
    ...record,
    settledUntilMs: lastMs,
    counts: added(record.counts, reason, slots),
  };
  const { lastSkip } = record;
  if (lastSkip?.reason === reason) {
    const longer = {
      ...lastSkip,
      lastMs,
      slots: lastSkip.slots + slots,
      isCounted: lastSkip.isCounted && isCounted,
    };
    return { record: { ...counted, lastSkip: longer }, entries: [longer] };
  }
  const recorded = withEntry(record, counted, {
    outcome: "skipped",
    reason,
    firstMs,
    lastMs,
    slots,
    isCounted,
    lateSeconds: null,
    firedMs: null,
    event: null,
  });
  return { ...recorded, record: { ...recorded.record, lastSkip: recorded.entries.at(-1) ?? null } };
}

function withEntry(before: TimerRecord, counted: TimerRecord, entry: Omit<RecordEntry, "number">): Recorded {
  const closed = closeRun(before);
  const number = closed.record.entries + 1;
  return {
    record: { ...counted, runFirstMs: null, runSlots: 0, entries: number },
    entries: [...closed.entries, { ...entry, number }],
  };
}

/** The present run, if there is one, becomes an entry. */
function closeRun(record: TimerRecord): Recorded {
  const { runFirstMs, runSlots, lastScheduledMs, lastFiredMs } = record;
  if (runFirstMs === null || lastScheduledMs === null || runSlots === 0) return { record, entries: [] };
  const number = record.entries + 1;
  const run: RecordEntry = {
    number,
    outcome: "fired",
    reason: null,
    firstMs: runFirstMs,
    lastMs: lastScheduledMs,
    slots: runSlots,
    isCounted: true,
    lateSeconds: null,
    firedMs: lastFiredMs,
    event: null,
  };
  return { record: { ...record, runFirstMs: null, runSlots: 0, entries: number }, entries: [run] };
}

function added(
  counts: Readonly<Record<string, number>>,
  key: string,
  count: number,
): Readonly<Record<string, number>> {
  return { ...counts, [key]: (counts[key] ?? 0) + count };
}
