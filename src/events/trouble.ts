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
  readonly random: number;
}

const restLimits = { delayMsFirst: 500, delayMsMax: 30_000 };

export function troubleAfter(
  before: Trouble | undefined,
  end: SourceEnd,
  { rowsMax, nowMs, random }: TroubleFacts,
): Trouble | undefined {
  switch (end.kind) {
    case "stored": {
      const entriesMax = (before?.entriesMax ?? rowsMax) * 2;
      return entriesMax >= rowsMax ? undefined : { entriesMax, failures: 0, notBeforeMs: 0 };
    }
    case "refused":
      return { entriesMax: 1, failures: 0, notBeforeMs: 0 };
    case "suspected":
      return { entriesMax: rowsMax, failures: 0, notBeforeMs: 0 };
    case "failed": {
      if (end.entries > 1) return { entriesMax: end.entries >> 1, failures: 0, notBeforeMs: 0 };
      const failures = (before?.failures ?? 0) + 1;
      const notBeforeMs = nowMs + backoffDelayMs(failures, restLimits, random);
      return { entriesMax: 1, failures, notBeforeMs };
    }
  }
}
