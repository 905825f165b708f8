/** The decoded forms of a sensor's output. */
import type { IncomingEvent } from "../../model/sensors/incoming-event.ts";
import type { JsonValue } from "../../model/json/json.ts";

export type DecodedEvent = Omit<IncomingEvent, "source">;

export interface Rejection {
  /** A clause such as "the line is not JSON". */
  readonly reason: string;
  /** The beginning of the rejected text. */
  readonly excerpt: string;
  /** How many lines were rejected. */
  readonly lines: number;
}

/** A hint for the sensor's author about accepted output. */
export interface Remark {
  /** Remarks with the same topic make the same point about different output. */
  readonly topic: "envelope" | "page" | "payload" | "occurred_at" | "keys";
  /** One clause. */
  readonly text: string;
}

export type DecodedOutput =
  | { readonly kind: "event"; readonly event: DecodedEvent; readonly remarks: readonly Remark[] }
  /** A new checkpoint without an event. */
  | { readonly kind: "checkpoint"; readonly checkpoint: JsonValue }
  | {
      readonly kind: "rejected";
      readonly rejection: Rejection;
      /** The checkpoint of the rejected envelope; undefined if it has no readable one. */
      readonly checkpoint: JsonValue | undefined;
    }
  /** An empty line, or an envelope without content. */
  | { readonly kind: "nothing" };

export interface ServedTriggers {
  /** The trigger of events that name none. */
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
