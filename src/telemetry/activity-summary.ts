/**
 * Logs a summary line per active sensor, at most once a minute.
 *
 * The first summary comes one second after the first event, because a user may be waiting for it; the next after a
 * minute. If there are many sensors, the busiest ones get a line each and the others share one, so that the log
 * stays readable with thousands of sensors.
 */
import { Changes } from "../concurrency/changes.ts";
import { counted } from "../model/texts/counted.ts";
import type { Clock } from "../time/clock.ts";
import type { Logger } from "./logger.ts";

export interface SummaryOptions {
  readonly logger: Logger;
  readonly clock: Clock;
}

interface Counts {
  stored: number;
  matches: number;
  duplicates: number;
  rejectedLines: number;
}

const intervalMs = 60_000;
const gatherMs = 1_000;
const linesMax = 20;

export class ActivitySummary {
  readonly #options: SummaryOptions;
  /** By sensor_ref; null for the platform's own events. */
  readonly #counts = new Map<string | null, Counts>();
  #sinceMs = 0;
  readonly #changes = new Changes();

  constructor(options: SummaryOptions) {
    this.#options = options;
  }

  noteStored(sensorRef: string | null, matches: number): void {
    const counts = this.#of(sensorRef);
    counts.stored += 1;
    counts.matches += matches;
  }

  noteDuplicate(sensorRef: string | null): void {
    this.#of(sensorRef).duplicates += 1;
  }

  noteRejectedLines(sensorRef: string, lines: number): void {
    this.#of(sensorRef).rejectedLines += lines;
  }

  /** Writes the last summary when the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    signal.addEventListener("abort", () => this.#changes.note(), { once: true });
    while (!signal.aborted) {
      while (this.#counts.size === 0 && !signal.aborted) await this.#changes.next();
      await clock.sleep(gatherMs, signal);
      this.#write();
      await clock.sleep(intervalMs - gatherMs, signal);
    }
    this.#write();
  }

  #of(sensorRef: string | null): Counts {
    const known = this.#counts.get(sensorRef);
    if (known !== undefined) return known;
    if (this.#counts.size === 0) {
      this.#sinceMs = this.#options.clock.monotonicMs();
      this.#changes.note();
    }
    const counts = { stored: 0, matches: 0, duplicates: 0, rejectedLines: 0 };
    this.#counts.set(sensorRef, counts);
    return counts;
  }

  #write(): void {
    if (this.#counts.size === 0) return;
    const { logger, clock } = this.#options;
    const seconds = Math.max(Math.round((clock.monotonicMs() - this.#sinceMs) / 1_000), 1);
    const all = [...this.#counts].toSorted(([, one], [, other]) => weightOf(other) - weightOf(one));
    // The shared line for the others takes the place of one sensor's line.
    const shown = all.length > linesMax ? all.slice(0, linesMax - 1) : all;
    for (const [sensorRef, counts] of shown) {
      const fields = {
        ...(sensorRef === null ? {} : { sensor_ref: sensorRef }),
        ...fieldsOf(counts),
        seconds,
      };
      const who = sensorRef === null ? "the platform itself" : `sensor ${sensorRef}`;
      logger.info(fields, `${who}: ${textOf(counts)} in ${seconds} s`);
    }
    const others = all.slice(shown.length);
    if (others.length > 0) {
      const sum = others.map(([, counts]) => counts).reduce(sumOf);
      const fields = { sensors: others.length, ...fieldsOf(sum), seconds };
      logger.info(fields, `${counted(others.length, "other sensor")}: ${textOf(sum)} in ${seconds} s`);
    }
    this.#counts.clear();
  }
}

function weightOf({ stored, duplicates, rejectedLines }: Counts): number {
  return stored + duplicates + rejectedLines;
}

function sumOf(one: Counts, other: Counts): Counts {
  return {
    stored: one.stored + other.stored,
    matches: one.matches + other.matches,
    duplicates: one.duplicates + other.duplicates,
    rejectedLines: one.rejectedLines + other.rejectedLines,
  };
}

function fieldsOf({ stored, matches, duplicates, rejectedLines }: Counts): object {
  return { events_stored: stored, matches, duplicates, lines_rejected: rejectedLines };
}

function textOf({ stored, matches, duplicates, rejectedLines }: Counts): string {
  const rest = [
    matches === 0 ? [] : `${matches} ${matches === 1 ? "match" : "matches"}`,
    duplicates === 0 ? [] : `${duplicates} ${duplicates === 1 ? "duplicate" : "duplicates"}`,
    rejectedLines === 0 ? [] : `${counted(rejectedLines, "line")} rejected`,
  ].flat();
  return [`${counted(stored, "event")} stored`, ...rest].join(", ");
}
