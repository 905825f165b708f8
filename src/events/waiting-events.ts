/**
 * Events and checkpoints that were accepted and wait to be stored, in order.
 *
 * Batches form by themselves: whoever takes gets all that has collected since, up to a number of rows
 * and bytes, and waits only when there is nothing.
 */
import type {
  AcceptOutcome,
  AdvanceOutcome,
  AssignmentTerm,
  EventSource,
  IncomingEvent,
} from "../model/incoming-event.ts";

export interface WaitingEvent {
  readonly kind: "event";
  readonly event: IncomingEvent;
  /** The payload as JSON text that the database can hold. */
  readonly payloadJson: string;
  readonly acceptedAtMs: number;
  readonly settle: (outcome: AcceptOutcome) => void;
  readonly abandon: (reason: Error) => void;
}

/** A source that a worker is assigned to: only such a one has a checkpoint. */
export interface AssignedSource extends EventSource {
  readonly term: AssignmentTerm;
}

/** A checkpoint without an event: given in so, or left of an event that was refused. */
export interface WaitingMove {
  readonly kind: "move";
  readonly source: AssignedSource;
  /** The checkpoint as JSON text that the database can hold. */
  readonly checkpointJson: string;
  readonly settle: (outcome: AdvanceOutcome) => void;
  readonly abandon: (reason: Error) => void;
}

export type WaitingEntry = WaitingEvent | WaitingMove;

export function isAssigned(source: EventSource | null): source is AssignedSource {
  return source !== null && source.term !== null;
}

export class WaitingEvents {
  readonly #rowsMax: number;
  readonly #bytesMax: number;
  #entries: WaitingEntry[] = [];
  #isClosed = false;
  #wakeTaker: (() => void) | undefined;

  constructor(bounds: { readonly rowsMax: number; readonly bytesMax: number }) {
    this.#rowsMax = bounds.rowsMax;
    this.#bytesMax = bounds.bytesMax;
  }

  get length(): number {
    return this.#entries.length;
  }

  add(entry: WaitingEntry): void {
    this.#entries.push(entry);
    this.#wakeTaker?.();
  }

  /** No more will come: takers get what is left, then undefined. */
  close(): void {
    this.#isClosed = true;
    this.#wakeTaker?.();
  }

  /** The next batch, never empty; undefined once closed and empty. One taker at a time. */
  async take(): Promise<readonly WaitingEntry[] | undefined> {
    while (this.#entries.length === 0) {
      if (this.#isClosed) return undefined;
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wakeTaker = resolve;
      await promise;
      this.#wakeTaker = undefined;
    }
    return this.#takeUpToBounds();
  }

  /** Everything that is left, at once. */
  takeAll(): readonly WaitingEntry[] {
    return this.#entries.splice(0);
  }

  #takeUpToBounds(): readonly WaitingEntry[] {
    let count = 0;
    let bytes = 0;
    for (const entry of this.#entries) {
      // Characters, not bytes: close enough for a bound, and free to know.
      bytes += entry.kind === "event" ? entry.payloadJson.length : entry.checkpointJson.length;
      if (count > 0 && bytes > this.#bytesMax) break;
      count += 1;
      if (count === this.#rowsMax) break;
    }
    if (count === this.#entries.length) {
      const all = this.#entries;
      this.#entries = [];
      return all;
    }
    return this.#entries.splice(0, count);
  }
}
