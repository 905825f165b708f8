/**
 * Handles output that is not an event: counts it, writes its beginning to the sensor's log, and warns at most once a
 * minute.
 *
 * A sensor whose output is all rejected may print tens of thousands of lines at once. Between two calls of `flush`, only
 * the first few are logged, with the number of the others.
 */
import { counted } from "../../model/texts/counted.ts";
import type { Logger } from "../../telemetry/logger.ts";
import type { Clock } from "../../time/clock.ts";
import { excerptOf, type Rejection } from "./decoded-output.ts";
import type { SensorMetrics } from "../ports.ts";
import type { SensorLog } from "../report/sensor-log.ts";

export interface RejectedLinesOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly log: Pick<SensorLog, "write">;
  readonly metrics: Pick<SensorMetrics, "linesRejected">;
}

const loggedMax = 20;
const warningIntervalMs = 60_000;

export class RejectedLines {
  readonly #sensorRef: string;
  readonly #options: RejectedLinesOptions;
  /** Not yet in the log. */
  #first: Rejection[] = [];
  #count = 0;
  #unwarned = 0;
  #warnedAtMs = Number.NEGATIVE_INFINITY;
  #flushing: NodeJS.Immediate | undefined;

  constructor(sensorRef: string, options: RejectedLinesOptions) {
    this.#sensorRef = sensorRef;
    this.#options = options;
  }

  note(rejection: Rejection): void {
    this.#count += rejection.lines;
    if (this.#first.length < loggedMax) this.#first.push(rejection);
  }

  /**
   * Records an event that the pipeline refused, and flushes soon. A batch settles its events one by one, but they should
   * be reported together.
   */
  noteRefused(reason: string, text: string): void {
    this.note({ reason, excerpt: excerptOf(text), lines: 1 });
    this.#flushing ??= setImmediate(() => this.flush());
  }

  /** Counts, logs and warns of everything recorded since. */
  flush(): void {
    clearImmediate(this.#flushing);
    this.#flushing = undefined;
    const [example] = this.#first;
    if (example === undefined) return;
    const { clock, logger, log, metrics } = this.#options;
    metrics.linesRejected(this.#sensorRef, this.#count);
    const entries = this.#first.map(
      ({ reason, excerpt }) => `not an event: ${reason}: ${JSON.stringify(excerpt)}`,
    );
    const others = this.#count - this.#first.length;
    log.write(others === 0 ? entries : [...entries, `not an event: ${counted(others, "more line")}`]);
    this.#unwarned += this.#count;
    this.#first = [];
    this.#count = 0;

    const nowMs = clock.monotonicMs();
    if (nowMs - this.#warnedAtMs < warningIntervalMs) return;
    const { reason, excerpt } = example;
    logger.warn(
      { lines: this.#unwarned, reason, excerpt },
      "rejected output of a sensor that is not an event",
    );
    this.#unwarned = 0;
    this.#warnedAtMs = nowMs;
  }
}
