/** What a sensor's output turns out to be. */
import type { IncomingEvent } from "../../model/sensors/incoming-event.ts";
import type { JsonValue } from "../../model/json/json.ts";

export type DecodedEvent = Omit<IncomingEvent, "source">;

export interface Rejection {
  /** A clause for people: "the line is not JSON". */
  readonly reason: string;
  /** The beginning of what was printed. */
  readonly excerpt: string;
  /** How many lines it stands for. */
  readonly lines: number;
}

/** Something the author of a sensor should know about output that was accepted. */
export interface Remark {
  /** Remarks of one topic say the same of different output. */
  readonly topic: "envelope" | "page" | "payload" | "occurred_at" | "keys";
  /** A clause for people. */
  readonly text: string;
}

export type DecodedOutput =
  | { readonly kind: "event"; readonly event: DecodedEvent; readonly remarks: readonly Remark[] }
  /** No event, but a new checkpoint. */
  | { readonly kind: "checkpoint"; readonly checkpoint: JsonValue }
  | {
      readonly kind: "rejected";
      readonly rejection: Rejection;
      /** The one beside what was rejected; undefined if there was none that could be read. */
      readonly checkpoint: JsonValue | undefined;
    }
  /** An empty line, or an envelope without content. */
  | { readonly kind: "nothing" };

export interface ServedTriggers {
  /** Of an event that names no trigger. */
  readonly main: string;
  readonly all: ReadonlySet<string>;
}

const excerptLengthMax = 200;

export function rejected(reason: string, text: string, checkpoint?: JsonValue, lines = 1): DecodedOutput {
  return { kind: "rejected", rejection: { reason, excerpt: excerptOf(text), lines }, checkpoint };
}

export function excerptOf(text: string): string {
  return text.slice(0, excerptLengthMax);
}
