/**
 * One sensor's events on their way into the pipeline: in order, many at once, but bounded.
 *
 * `offer` does not wait for an event to be stored; it waits for room. While it waits nobody reads the
 * sensor's pipe, the pipe fills, and the sensor itself waits in its write: so nothing is dropped and
 * nothing piles up here.
 */
import type { AcceptOutcome, EventSink, IncomingEvent } from "../model/incoming-event.ts";

export interface EventIntakeOptions {
  readonly sink: EventSink;
  readonly eventsMax: number;
  readonly bytesMax: number;
  readonly onOutcome: (outcome: AcceptOutcome, event: IncomingEvent) => void;
}

export class EventIntake {
  readonly #options: EventIntakeOptions;
  #events = 0;
  #bytes = 0;
  #change: PromiseWithResolvers<void> | undefined;
  #isAbandoned = false;

  constructor(options: EventIntakeOptions) {
    this.#options = options;
  }

  /** Whether an event is let in at once. One alone always is, however large. */
  get hasRoom(): boolean {
    const { eventsMax, bytesMax } = this.#options;
    return this.#events === 0 || (this.#events < eventsMax && this.#bytes < bytesMax);
  }

  /** Must be called only while there is room. */
  admit(event: IncomingEvent, bytes: number): void {
    this.#events += 1;
    this.#bytes += bytes;
    void this.#accept(event, bytes);
  }

  /** Resolves when there is room, or once abandoned. */
  async room(): Promise<void> {
    while (!this.hasRoom && !this.#isAbandoned) await this.#nextChange();
  }

  /** Resolves when everything admitted is settled, or once abandoned. */
  async settled(): Promise<void> {
    while (this.#events > 0 && !this.#isAbandoned) await this.#nextChange();
  }

  /** Ends all waiting, now and later: nobody has the time any more. */
  abandon(): void {
    this.#isAbandoned = true;
    this.#noteChange();
  }

  async #accept(event: IncomingEvent, bytes: number): Promise<void> {
    try {
      this.#options.onOutcome(await this.#options.sink.accept(event), event);
    } catch {
      // The pipeline was stopped first: the sensor resumes from a checkpoint before this event.
    } finally {
      this.#events -= 1;
      this.#bytes -= bytes;
      this.#noteChange();
    }
  }

  #nextChange(): Promise<void> {
    this.#change ??= Promise.withResolvers<void>();
    return this.#change.promise;
  }

  #noteChange(): void {
    this.#change?.resolve();
    this.#change = undefined;
  }
}
