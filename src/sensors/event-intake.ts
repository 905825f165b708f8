/**
 * Passes one source's events and checkpoints to the pipeline: in the order of submission, many at once, but bounded.
 *
 *   submitted ──there is room──▶ under way ──stored, a duplicate, refused or fenced──▶ settled ──eased──▶ gone
 *        └──no room──▶ waits, with everything submitted later behind it
 *
 * `submit` does not wait for an event to be stored; it waits for room. Its caller waits with it and does not read the
 * sensor's pipe meanwhile, so the pipe fills and the sensor blocks in its write. This back-pressure drops nothing and
 * bounds memory.
 *
 * A settled event keeps its room until the pace eases, for a bounded time. So only a source that has used all its room
 * waits; the others are not affected. The event itself is released, and its outcome is reported at once.
 */
import { Changes } from "../concurrency/changes.ts";
import type { JsonValue } from "../model/json/json.ts";
import type {
  AcceptOutcome,
  AdvanceOutcome,
  EventSink,
  EventSource,
} from "../model/sensors/incoming-event.ts";
import type { Pace } from "../model/sensors/pace.ts";
import type { Clock } from "../time/clock.ts";
import { excerptOf, type DecodedEvent } from "./output/decoded-output.ts";

export interface EventIntakeOptions {
  readonly source: EventSource;
  readonly sink: EventSink;
  readonly pace: Pace;
  readonly clock: Clock;
  /** Maximum number of submissions in flight. */
  readonly eventsMax: number;
  readonly bytesMax: number;
  /** Called for each submission that has to wait for room. */
  readonly onWaiting: () => void;
  /** Called when a checkpoint has been stored. */
  readonly onCheckpoint: (value: JsonValue) => void;
  /** @param text the beginning of what was submitted */
  readonly onRefused: (reason: string, text: string) => void;
  /** Called when something was refused because the sensor is now assigned elsewhere. */
  readonly onFenced: () => void;
}

interface EventSubmission {
  readonly kind: "event";
  readonly event: DecodedEvent;
  /** Called once with its outcome; with undefined if the pipeline stopped before that was known. */
  readonly onOutcome?: (outcome: AcceptOutcome | undefined) => void;
}

export type Submission =
  | EventSubmission
  /** A checkpoint without an event. */
  | { readonly kind: "checkpoint"; readonly checkpoint: JsonValue };

/** The beginning of what was submitted, and its size. */
interface Submitted {
  readonly text: string;
  readonly bytes: number;
}

/** The room of settled events. */
interface HeldRoom {
  readonly until: Promise<void>;
  count: number;
  bytes: number;
}

/** Of a longer text only the excerpt is copied, instead of keeping the text until its event is stored. */
const textLengthKept = 4_096;

export class EventIntake {
  readonly #options: EventIntakeOptions;
  #underWay = 0;
  #bytesUnderWay = 0;
  #waiting = 0;
  #held: HeldRoom | undefined;
  /** Settles when the last submission waiting for room no longer waits. */
  #lastInLine: Promise<unknown> | undefined;
  #stalledSinceMs: number | undefined;
  readonly #changes = new Changes();
  #isAbandoned = false;
  #lastEventAtMs: number | undefined;

  constructor(options: EventIntakeOptions) {
    this.#options = options;
  }

  /**
   * Submits an event or a checkpoint after everything submitted before.
   *
   * @param text the text it was decoded from, quoted if it is refused
   * @returns once it is in flight; false if abandoned before there was room. A promise only if it has to wait, because
   *   for most events an extra tick would be the main cost
   */
  submit(submission: Submission, text: string, bytes: number): Promise<boolean> | boolean {
    if (this.#waiting > 0 || !this.#hasRoom) return this.#submitInTurn(submission, text, bytes);
    this.#store(submission, keptText(text), bytes);
    return true;
  }

  /** When an event was last stored, in seconds of Unix time; undefined if none was. */
  get lastEventSeconds(): number | undefined {
    return this.#lastEventAtMs === undefined ? undefined : this.#lastEventAtMs / 1_000;
  }

  /** How long a submission has been waiting for room without any getting it; undefined while none waits. */
  stalledSeconds(): number | undefined {
    if (this.#stalledSinceMs === undefined) return undefined;
    return (this.#options.clock.monotonicMs() - this.#stalledSinceMs) / 1_000;
  }

  /** Resolves when nothing is in flight, or once abandoned. */
  async settled(): Promise<void> {
    while (this.#underWay > 0 && !this.#isAbandoned) await this.#changes.next();
  }

  /** Ends all waiting, now and later, because the time for it is over. */
  abandon(): void {
    this.#isAbandoned = true;
    this.#changes.note();
  }

  /** A single submission always has room, however large. */
  get #hasRoom(): boolean {
    const { eventsMax, bytesMax } = this.#options;
    return this.#underWay === 0 || (this.#underWay < eventsMax && this.#bytesUnderWay < bytesMax);
  }

  #submitInTurn(submission: Submission, text: string, bytes: number): Promise<boolean> {
    this.#waiting += 1;
    this.#options.onWaiting();
    this.#stalledSinceMs ??= this.#options.clock.monotonicMs();
    const submitted = this.#submitAfter(this.#lastInLine, submission, text, bytes);
    this.#lastInLine = submitted;
    return submitted;
  }

  async #submitAfter(
    before: Promise<unknown> | undefined,
    submission: Submission,
    text: string,
    bytes: number,
  ): Promise<boolean> {
    if (before !== undefined) await before;
    while (!this.#hasRoom && !this.#isAbandoned) await this.#changes.next();
    this.#waiting -= 1;
    if (this.#waiting === 0) this.#lastInLine = undefined;
    this.#stalledSinceMs = this.#waiting === 0 ? undefined : this.#options.clock.monotonicMs();
    if (this.#isAbandoned) return false;
    this.#store(submission, keptText(text), bytes);
    return true;
  }

  /** Not an async function: it is called for every event. */
  #store(submission: Submission, text: string, bytes: number): void {
    const { source, sink } = this.#options;
    this.#underWay += 1;
    this.#bytesUnderWay += bytes;
    if (submission.kind === "event") {
      sink.accept({ ...submission.event, source }).then(
        (outcome) => this.#noteEvent(submission, outcome, { text, bytes }),
        () => this.#noteStopped(bytes, submission),
      );
    } else {
      const { checkpoint } = submission;
      sink.advance({ source, checkpoint }).then(
        (outcome) => this.#noteCheckpoint(checkpoint, outcome, { text, bytes }),
        () => this.#noteStopped(bytes),
      );
    }
  }

  #noteEvent(
    { event, onOutcome }: EventSubmission,
    outcome: AcceptOutcome,
    { text, bytes }: Submitted,
  ): void {
    if (outcome.kind === "stored") this.#lastEventAtMs = this.#options.clock.nowMs();
    onOutcome?.(outcome);
    this.#settle(outcome, event.checkpoint, text);
    this.#endEased(bytes);
  }

  #noteCheckpoint(checkpoint: JsonValue, outcome: AdvanceOutcome, { text, bytes }: Submitted): void {
    this.#settle(outcome, checkpoint, text);
    this.#end(1, bytes);
  }

  /** The pipeline was stopped first: the sensor resumes from an earlier checkpoint. */
  #noteStopped(bytes: number, submission?: EventSubmission): void {
    submission?.onOutcome?.(undefined);
    this.#end(1, bytes);
  }

  /** One wait for all events that are settled during it. */
  #endEased(bytes: number): void {
    const until = this.#options.pace.ease();
    if (until === undefined) {
      this.#end(1, bytes);
      return;
    }
    if (this.#held?.until !== until) {
      this.#held = { until, count: 0, bytes: 0 };
      void this.#endHeld(this.#held);
    }
    this.#held.count += 1;
    this.#held.bytes += bytes;
  }

  async #endHeld(held: HeldRoom): Promise<void> {
    await held.until;
    if (this.#held === held) this.#held = undefined;
    this.#end(held.count, held.bytes);
  }

  #end(count: number, bytes: number): void {
    this.#underWay -= count;
    this.#bytesUnderWay -= bytes;
    this.#changes.note();
  }

  #settle(outcome: AcceptOutcome | AdvanceOutcome, checkpoint: JsonValue | undefined, text: string): void {
    switch (outcome.kind) {
      case "stored":
      case "duplicate":
        if (checkpoint !== undefined) this.#options.onCheckpoint(checkpoint);
        break;
      case "refused":
        this.#options.onRefused(outcome.reason, text);
        break;
      case "fenced":
        this.#options.onFenced();
        break;
    }
  }
}

function keptText(text: string): string {
  // Via bytes, because a slice would keep the whole text in memory.
  return text.length <= textLengthKept ? text : Buffer.from(excerptOf(text)).toString();
}
