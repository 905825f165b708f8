/**
 * Events that were accepted and wait to be stored, in order.
 *
 * Batches form by themselves: whoever takes gets all that has collected since, up to a number of rows
 * and bytes, and waits only when there is nothing.
 */
import type { AcceptOutcome, IncomingEvent } from "../model/incoming-event.ts";

export interface WaitingEvent {
  readonly event: IncomingEvent;
  /** The payload as JSON text that the database can hold. */
  readonly payloadJson: string;
  readonly acceptedAtMs: number;
  readonly settle: (outcome: AcceptOutcome) => void;
  readonly abandon: (reason: Error) => void;
}

export class WaitingEvents {
  readonly #rowsMax: number;
  readonly #bytesMax: number;
  #events: WaitingEvent[] = [];
  #isClosed = false;
  #wakeTaker: (() => void) | undefined;

  constructor(bounds: { readonly rowsMax: number; readonly bytesMax: number }) {
    this.#rowsMax = bounds.rowsMax;
    this.#bytesMax = bounds.bytesMax;
  }

  get length(): number {
    return this.#events.length;
  }

  add(event: WaitingEvent): void {
    this.#events.push(event);
    this.#wakeTaker?.();
  }

  /** No more will come: takers get what is left, then undefined. */
  close(): void {
    this.#isClosed = true;
    this.#wakeTaker?.();
  }

  /** The next batch, never empty; undefined once closed and empty. One taker at a time. */
  async take(): Promise<readonly WaitingEvent[] | undefined> {
    while (this.#events.length === 0) {
      if (this.#isClosed) return undefined;
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wakeTaker = resolve;
      await promise;
      this.#wakeTaker = undefined;
    }
    return this.#takeUpToBounds();
  }

  /** Everything that is left, at once. */
  takeAll(): readonly WaitingEvent[] {
    return this.#events.splice(0);
  }

  #takeUpToBounds(): readonly WaitingEvent[] {
    let count = 0;
    let bytes = 0;
    for (const { payloadJson } of this.#events) {
      // Characters, not bytes: close enough for a bound, and free to know.
      bytes += payloadJson.length;
      if (count > 0 && bytes > this.#bytesMax) break;
      count += 1;
      if (count === this.#rowsMax) break;
    }
    if (count === this.#events.length) {
      const all = this.#events;
      this.#events = [];
      return all;
    }
    return this.#events.splice(0, count);
  }
}
