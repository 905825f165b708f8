/** Puts skipped slots into words for the sensor's log: once per report, a line for each rule and reason. */
import type { Settlement } from "../../model/timers/timer-record.ts";
import { skipReasonText } from "../../model/timers/skip-reason.ts";
import type { SkipReason } from "../../model/timers/slot-decision.ts";

type Skipped = Extract<Settlement, { kind: "skipped" }>;

interface Summary {
  readonly ref: string;
  readonly reason: SkipReason;
  slots: number;
  isCounted: boolean;
  readonly firstMs: number;
  lastMs: number;
}

const linesMax = 20;

export class SkippedSlots {
  #summaries = new Map<string, Summary>();

  note(ref: string, { reason, slots, isCounted, firstMs, lastMs }: Skipped): void {
    const key = `${reason} ${ref}`;
    const known = this.#summaries.get(key);
    if (known === undefined) {
      this.#summaries.set(key, { ref, reason, slots, isCounted, firstMs, lastMs });
    } else {
      known.slots += slots;
      known.isCounted &&= isCounted;
      known.lastMs = lastMs;
    }
  }

  /** @returns the lines since the last call, and whether any of them is more than a pause */
  take(): { readonly lines: readonly string[]; readonly slots: number; readonly isRemarkable: boolean } {
    const summaries = [...this.#summaries.values()];
    this.#summaries = new Map();
    const lines = summaries.slice(0, linesMax).map(lineOf);
    if (summaries.length > linesMax) {
      lines.push(`skipped slots of ${summaries.length - linesMax} more rules`);
    }
    return {
      lines,
      slots: summaries.reduce((sum, { slots }) => sum + slots, 0),
      isRemarkable: summaries.some(({ reason }) => reason !== "paused"),
    };
  }
}

function lineOf({ ref, reason, slots, isCounted, firstMs, lastMs }: Summary): string {
  const first = new Date(firstMs).toISOString();
  if (slots === 1) return `skipped the slot ${first} of ${ref}: ${skipReasonText[reason]}`;
  const last = new Date(lastMs).toISOString();
  return `skipped ${isCounted ? "" : "about "}${slots} slots of ${ref} from ${first} to ${last}: ${skipReasonText[reason]}`;
}
