/**
 * Reports hints about accepted events to the sensor's author, in the sensor's log and as warnings: each topic once, and
 * then at most hourly how often it occurred again.
 */
import { counted } from "../../model/texts/counted.ts";
import type { Logger } from "../../telemetry/logger.ts";
import type { Clock } from "../../time/clock.ts";
import { excerptOf, type Remark } from "./decoded-output.ts";
import type { SensorLog } from "../report/sensor-log.ts";

export interface OutputRemarksOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly log: Pick<SensorLog, "write">;
}

interface Told {
  readonly atMs: number;
  repeats: number;
}

const repeatIntervalMs = 3_600_000;

export class OutputRemarks {
  readonly #options: OutputRemarksOptions;
  readonly #told = new Map<Remark["topic"], Told>();

  constructor(options: OutputRemarksOptions) {
    this.#options = options;
  }

  /** @param printed what the remarks are about */
  note(remarks: readonly Remark[], printed: string): void {
    for (const remark of remarks) this.#note(remark, printed);
  }

  #note({ topic, text }: Remark, printed: string): void {
    const { clock, logger, log } = this.#options;
    const told = this.#told.get(topic);
    const nowMs = clock.monotonicMs();
    if (told !== undefined && nowMs - told.atMs < repeatIntervalMs) {
      told.repeats += 1;
      return;
    }
    this.#told.set(topic, { atMs: nowMs, repeats: 0 });
    const excerpt = excerptOf(printed);
    const repeats = told?.repeats ?? 0;
    const before =
      repeats === 0
        ? ""
        : ` (and so ${repeats === 1 ? "was" : "were"} ${counted(repeats, "event")} before it)`;
    log.write([`accepted, but ${text}${before}: ${JSON.stringify(excerpt)}`]);
    logger.warn({ remark: text, repeats, excerpt }, "a sensor's output may not mean what its author wanted");
  }
}
