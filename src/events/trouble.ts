/**
 * How the events of one source are stored after a failed attempt: in batches of their own, which grow again with each
 * success.
 *
 *   none ──a batch of several sources failed──▶ suspected: alone, any number at once
 *    ▲                                              │
 *    │ stored, and as many at once as ever          │ failed
 *    │                                              ▼
 *    └──────────────── few at once ◀──failed: half as many──┐
 *                        │    ▲ stored: twice as many       │
 *                        │    └─────────────────────────────┤
 *                        └──one alone failed──▶ resting ────┘ tried again after a growing pause
 *
 * The pause grows only while other events are stored: without them the database itself may be at fault, and once it has
 * recovered nobody should wait for the rest of a long pause.
 *
 * A single event that the database rejects is refused. This is not a failure: the source goes on with one event at a time.
 * A source that sends only such events costs one statement for each of them, and never a batch of other sources.
 */
import { backoffDelayMs } from "../model/sensors/backoff.ts";

export interface Trouble {
  /** Entries in one statement. */
  readonly entriesMax: number;
  /** Failures in a row of an entry alone. */
  readonly failures: number;
  /** On the monotonic clock. */
  readonly notBeforeMs: number;
  /** When the last of the failures was, on the monotonic clock. */
  readonly failedAtMs: number;
}

/** How a batch ended for one of its sources. */
export type SourceEnd =
  | { readonly kind: "stored" }
  /** An entry of it was refused by the database; everything else in the batch is stored. */
  | { readonly kind: "refused" }
  /** A statement failed that held entries of other sources too. */
  | { readonly kind: "suspected" }
  /** A statement failed that held only this many entries of this source. */
  | { readonly kind: "failed"; readonly entries: number };

export interface TroubleFacts {
  readonly rowsMax: number;
  readonly nowMs: number;
  /** When events of any source were last stored, on the monotonic clock. */
  readonly storedAtMs: number;
  readonly random: number;
}

const restLimits = { delayMsFirst: 500, delayMsMax: 30_000 };
/** Well below the time for which a posted event waits. */
const outageRestLimits = { ...restLimits, delayMsMax: 2_000 };

const notResting = { notBeforeMs: 0, failedAtMs: 0 };

export function troubleAfter(
  before: Trouble | undefined,
  end: SourceEnd,
  { rowsMax, nowMs, storedAtMs, random }: TroubleFacts,
): Trouble | undefined {
  switch (end.kind) {
    case "stored": {
      const entriesMax = (before?.entriesMax ?? rowsMax) * 2;
      return entriesMax >= rowsMax ? undefined : { entriesMax, failures: 0, ...notResting };
    }
    case "refused":
      return { entriesMax: 1, failures: 0, ...notResting };
    case "suspected":
      return { entriesMax: rowsMax, failures: 0, ...notResting };
    case "failed": {
      if (end.entries > 1) return { entriesMax: end.entries >> 1, failures: 0, ...notResting };
      const failures = (before?.failures ?? 0) + 1;
      const areOthersStored = storedAtMs > (before?.failedAtMs ?? nowMs);
      const limits = areOthersStored ? restLimits : outageRestLimits;
      const notBeforeMs = nowMs + backoffDelayMs(failures, limits, random);
      return { entriesMax: 1, failures, notBeforeMs, failedAtMs: nowMs };
    }
  }
}
