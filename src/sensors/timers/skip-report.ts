/**
 * Reports skipped slots every few seconds: in the sensor's log one line for each rule and reason, in the agent's log their number.
 * It also bounds how many of them are counted one by one, because counting takes time.
 */
import { counted } from "../../model/texts/counted.ts";
import type { Settlement } from "../../model/timers/timer-record.ts";
import type { Logger } from "../../telemetry/logger.ts";
import type { Clock } from "../../time/clock.ts";
import { SkippedSlots } from "./skipped-slots.ts";

export interface SkipReportOptions {
  /** The sensor's own log. */
  readonly log: (lines: readonly string[]) => void;
  readonly logger: Logger;
  readonly clock: Clock;
}

const reportMs = 5_000;
/** Skipped slots that are counted one by one: of one rule at once, and of all within a report. */
const countMax = 1_000;
const countsPerReport = 20_000;
const countMin = 16;

export class SkipReport {
  readonly #options: SkipReportOptions;
  readonly #skipped = new SkippedSlots();
  #reportedMs = 0;
  #countsLeft = countsPerReport;

  constructor(options: SkipReportOptions) {
    this.#options = options;
  }

  /** How many slots of the next skipped range may be counted. */
  get countMax(): number {
    return Math.max(Math.min(countMax, this.#countsLeft), countMin);
  }

  noteCounting({ slots, isCounted }: { readonly slots: number; readonly isCounted: boolean }): void {
    this.#countsLeft -= isCounted ? slots : countMax;
  }

  note(ref: string, skipped: Extract<Settlement, { kind: "skipped" }>): void {
    this.#skipped.note(ref, skipped);
  }

  /** Reports if it is time. */
  tellInTime(): void {
    if (this.#options.clock.monotonicMs() - this.#reportedMs >= reportMs) this.tell();
  }

  tell(): void {
    const { log, logger, clock } = this.#options;
    this.#reportedMs = clock.monotonicMs();
    this.#countsLeft = countsPerReport;
    const { lines, slots, isRemarkable } = this.#skipped.take();
    if (lines.length === 0) return;
    log(lines);
    if (isRemarkable)
      logger.warn({ slots }, `timers skipped ${counted(slots, "slot")}; the sensor's log has the details`);
    else logger.info({ slots }, `timers skipped ${counted(slots, "slot")} of paused rules`);
  }
}
