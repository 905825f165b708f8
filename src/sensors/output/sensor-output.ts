/**
 * What one sensor printed, once decoded: events and checkpoints go into the pipeline in their order, and the
 * rest is told to whoever reads the sensor's log.
 */
import type {
  AcceptOutcome,
  AdvanceOutcome,
  EventSink,
  EventSource,
} from "../../model/sensors/incoming-event.ts";
import type { JsonValue } from "../../model/json/json.ts";
import type { Logger } from "../../telemetry/logger.ts";
import type { Clock } from "../../time/clock.ts";
import { excerptOf, type Decoded, type DecodedEvent } from "./decoded.ts";
import { EventIntake } from "../event-intake.ts";
import type { SensorLimits } from "../limits.ts";
import { OutputRemarks } from "./output-remarks.ts";
import type { SensorMetrics } from "../ports.ts";
import { RejectedLines } from "./rejected-lines.ts";
import { RepeatedKeys } from "./repeated-keys.ts";
import type { SensorLog } from "../report/sensor-log.ts";

export interface SensorOutputOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly log: SensorLog;
  readonly metrics: SensorMetrics;
  readonly sink: EventSink;
  readonly limits: SensorLimits;
  /** This checkpoint has been stored. */
  readonly onCheckpoint: (value: JsonValue) => void;
  /** Something was refused because the sensor is assigned elsewhere now. */
  readonly onFenced: () => void;
}

/** A longer text is copied for its excerpt, rather than kept until its event is stored. */
const textLengthKept = 4_096;

export class SensorOutput {
  readonly #source: EventSource;
  readonly #options: SensorOutputOptions;
  readonly #intake: EventIntake;
  readonly #rejected: RejectedLines;
  readonly #remarks: OutputRemarks;
  readonly #repeatedKeys = new RepeatedKeys();
  #isAbandoned = false;
  #lastEventAtMs: number | undefined;
  #stalledSinceMs: number | undefined;
  #flushing: NodeJS.Immediate | undefined;

  constructor(source: EventSource, options: SensorOutputOptions) {
    const { sink, limits } = options;
    this.#source = source;
    this.#options = options;
    this.#rejected = new RejectedLines(source.sensorRef, options);
    this.#remarks = new OutputRemarks(options);
    this.#intake = new EventIntake({
      sink,
      eventsMax: limits.eventsInFlightMax,
      bytesMax: limits.bytesInFlightMax,
      onAccepted: (outcome, event, text) => {
        if (outcome.kind === "stored") this.#lastEventAtMs = options.clock.nowMs();
        this.#settle(outcome, event.checkpoint, text);
      },
      onAdvanced: (outcome, move, text) => this.#settle(outcome, move.checkpoint, text),
    });
  }

  /**
   * Takes the next thing that was printed.
   *
   * @param text it was decoded from
   * @returns once it is on its way; false: abandoned before there was room. Not a promise where it need not be
   *   one: a tick per event is what most events would cost
   */
  take(decoded: Decoded, text: string, bytes: number): Promise<boolean> | boolean {
    switch (decoded.kind) {
      case "event":
        if (decoded.remarks.length > 0) this.#remarks.note(decoded.remarks, text);
        this.#remarks.note(this.#repeatedKeys.remarksOn(text), text);
        if (!this.#intake.hasRoom) return this.#takeLater(decoded, text, bytes);
        this.#admit(decoded.event, text, bytes);
        return true;
      case "rejected":
        this.#rejected.note(decoded.rejection);
        if (decoded.checkpoint === undefined) return true;
        return this.take({ kind: "checkpoint", checkpoint: decoded.checkpoint }, text, bytes);
      case "checkpoint":
        if (!this.#intake.hasRoom) return this.#takeLater(decoded, text, bytes);
        this.#advance(decoded.checkpoint, text, bytes);
        return true;
      case "nothing":
        return true;
    }
  }

  /** When an event of it was last stored, in seconds of Unix time; undefined: none was, yet. */
  get lastEventSeconds(): number | undefined {
    return this.#lastEventAtMs === undefined ? undefined : this.#lastEventAtMs / 1_000;
  }

  /** For how long its output has not been read, since its events find no room; undefined while it is read. */
  stalledSeconds(): number | undefined {
    if (this.#stalledSinceMs === undefined) return undefined;
    return (this.#options.clock.monotonicMs() - this.#stalledSinceMs) / 1_000;
  }

  /** Tells what was rejected since it was last called. */
  flush(): void {
    clearImmediate(this.#flushing);
    this.#flushing = undefined;
    this.#rejected.flush();
  }

  /** Resolves when everything taken is stored or refused, or once abandoned. */
  async settled(): Promise<void> {
    await this.#intake.settled();
    this.flush();
  }

  /** Ends all waiting, now and later: nobody has the time any more. */
  abandon(): void {
    this.#isAbandoned = true;
    this.#intake.abandon();
  }

  async #takeLater(
    decoded: Extract<Decoded, { kind: "event" | "checkpoint" }>,
    text: string,
    bytes: number,
  ): Promise<boolean> {
    this.#stalledSinceMs ??= this.#options.clock.monotonicMs();
    await this.#intake.room();
    this.#stalledSinceMs = undefined;
    if (this.#isAbandoned) return false;
    if (decoded.kind === "event") this.#admit(decoded.event, text, bytes);
    else this.#advance(decoded.checkpoint, text, bytes);
    return true;
  }

  #admit(event: DecodedEvent, text: string, bytes: number): void {
    this.#intake.admit({ ...event, source: this.#source }, keptText(text), bytes);
  }

  #advance(checkpoint: JsonValue, text: string, bytes: number): void {
    this.#intake.advance({ source: this.#source, checkpoint }, keptText(text), bytes);
  }

  #settle(outcome: AcceptOutcome | AdvanceOutcome, checkpoint: JsonValue | undefined, text: string): void {
    switch (outcome.kind) {
      case "stored":
      case "duplicate":
        if (checkpoint !== undefined) this.#options.onCheckpoint(checkpoint);
        break;
      case "refused":
        this.#rejected.note({ reason: outcome.reason, excerpt: excerptOf(text), lines: 1 });
        // A batch settles its events one by one; together they are one matter.
        this.#flushing ??= setImmediate(() => this.flush());
        break;
      case "fenced":
        this.#options.onFenced();
        break;
    }
  }
}

function keptText(text: string): string {
  // Through bytes, since a slice would keep the whole text in memory.
  return text.length <= textLengthKept ? text : Buffer.from(excerptOf(text)).toString();
}
