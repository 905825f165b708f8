/** Events and checkpoints posted over the API, and their outcomes. */
import type { SensorGrant } from "../identity/caller.ts";
import type { JsonValue } from "../json/json.ts";
import type { AcceptOutcome, IncomingEvent } from "./incoming-event.ts";

export type PostOrigin =
  /** A sensor with a token. */
  | { readonly kind: "sensor"; readonly grant: SensorGrant }
  /** A person or a program that may post events of every trigger, perhaps in the name of a sensor. */
  | { readonly kind: "person"; readonly sensorRef: string | null };

export type EventPost =
  | {
      readonly kind: "event";
      readonly origin: PostOrigin;
      readonly event: Omit<IncomingEvent, "source">;
    }
  /** A checkpoint without an event. */
  | { readonly kind: "checkpoint"; readonly origin: PostOrigin; readonly checkpoint: JsonValue };

export type PostOutcome =
  | AcceptOutcome
  /** A checkpoint without an event was stored. */
  | { readonly kind: "moved" }
  /** The token's sensor does not exist. */
  | { readonly kind: "sensor gone" }
  /** It is not stored and never will be: there was no room, the time was up, or the agent stops. */
  | { readonly kind: "withdrawn" }
  /** The time was up during an attempt to store it, or after one whose answer was lost. */
  | { readonly kind: "unknown" };

export interface PostRequest {
  /** Whose it is, so that no caller takes all the room. */
  readonly caller: string;
  /** In order; events of one sensor are stored in it. */
  readonly posts: readonly EventPost[];
  /** Of the request's body. */
  readonly bytes: number;
}
