/**
 * What becomes of output that is no event: counted, written to the sensor's log with its beginning, and
 * warned of, at most once a minute.
 */
import type { Logger } from "../telemetry/logger.ts";
import type { Clock } from "../time/clock.ts";
import type { Rejection } from "./decode-output.ts";
import type { SensorMetrics } from "./ports.ts";
import type { SensorLog } from "./sensor-log.ts";

export interface RejectedLinesOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly log: SensorLog;
  readonly metrics: SensorMetrics;
}

const warningIntervalMs = 60_000;

export class RejectedLines {
  readonly #sensorRef: string;
  readonly #options: RejectedLinesOptions;
  #unwarned = 0;
  #warnedAtMs = Number.NEGATIVE_INFINITY;

  constructor(sensorRef: string, options: RejectedLinesOptions) {
    this.#sensorRef = sensorRef;
    this.#options = options;
  }

  note(rejections: readonly Rejection[]): void {
    const { clock, logger, log, metrics } = this.#options;
    for (const _rejection of rejections) metrics.lineRejected(this.#sensorRef);
    log.write(rejections.map(({ reason, excerpt }) => `not an event: ${reason}: ${JSON.stringify(excerpt)}`));

    this.#unwarned += rejections.length;
    const nowMs = clock.monotonicMs();
    if (nowMs - this.#warnedAtMs < warningIntervalMs) return;
    logger.warn(
      { lines: this.#unwarned, ...rejections[0] },
      "a sensor's output is no event and was rejected",
    );
    this.#unwarned = 0;
    this.#warnedAtMs = nowMs;
  }
}
