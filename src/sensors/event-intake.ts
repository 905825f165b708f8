/**
 * One sensor's events on their way into the pipeline: in order, many at once, but bounded.
 *
 * `admit` does not wait for an event to be stored; it waits for room. While it waits nobody reads the
 * sensor's pipe, the pipe fills, and the sensor itself waits in its write: so nothing is dropped and
 * nothing piles up here.
 */
import { Changes } from "../concurrency/changes.ts";
import type {
  AcceptOutcome,
  AdvanceOutcome,
  CheckpointMove,
  EventSink,
  IncomingEvent,
} from "../model/sensors/incoming-event.ts";

export interface EventIntakeOptions {
  readonly sink: EventSink;
  readonly eventsMax: number;
  readonly bytesMax: number;
  /** @param text that the event was decoded from */
  readonly onAccepted: (outcome: AcceptOutcome, event: IncomingEvent, text: string) => void;
  readonly onAdvanced: (outcome: AdvanceOutcome, move: CheckpointMove, text: string) => void;
}

export class EventIntake {
  readonly #options: EventIntakeOptions;
  #events = 0;
  #bytes = 0;
  readonly #changes = new Changes();
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
  admit(event: IncomingEvent, text: string, bytes: number): void {
    void this.#accept(event, text, bytes);
  }

  /** As `admit`, for a checkpoint without an event. */
  advance(move: CheckpointMove, text: string, bytes: number): void {
    void this.#advance(move, text, bytes);
  }

  /** Resolves when there is room, or once abandoned. */
  async room(): Promise<void> {
    while (!this.hasRoom && !this.#isAbandoned) await this.#changes.next();
  }

  /** Resolves when everything admitted is settled, or once abandoned. */
  async settled(): Promise<void> {
    while (this.#events > 0 && !this.#isAbandoned) await this.#changes.next();
  }

  /** Ends all waiting, now and later: nobody has the time any more. */
  abandon(): void {
    this.#isAbandoned = true;
    this.#changes.note();
  }

  async #accept(event: IncomingEvent, text: string, bytes: number): Promise<void> {
    this.#enter(bytes);
    try {
      this.#options.onAccepted(await this.#options.sink.accept(event), event, text);
    } catch {
      // The pipeline was stopped first: the sensor resumes from a checkpoint before this event.
    } finally {
      this.#leave(bytes);
    }
  }

  async #advance(move: CheckpointMove, text: string, bytes: number): Promise<void> {
    this.#enter(bytes);
    try {
      this.#options.onAdvanced(await this.#options.sink.advance(move), move, text);
    } catch {
      // As above: the sensor resumes from an earlier checkpoint.
    } finally {
      this.#leave(bytes);
    }
  }

  #enter(bytes: number): void {
    this.#events += 1;
    this.#bytes += bytes;
  }

  #leave(bytes: number): void {
    this.#events -= 1;
    this.#bytes -= bytes;
    this.#changes.note();
  }
}
