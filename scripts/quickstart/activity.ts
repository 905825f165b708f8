/** What the service does, as a person who watches is told of it. */
import type { JsonObject } from "../../src/model/json.ts";

export type Activity =
  | {
      readonly kind: "sensor";
      readonly sensorRef: string;
      readonly state: "starting" | "running" | "backoff" | "failed" | "stopped";
      /** Why, when there is more to say than the state. */
      readonly reason: string | null;
    }
  | {
      readonly kind: "event";
      readonly eventId: string;
      readonly triggerRef: string;
      /** Null: the platform itself. */
      readonly sourceRef: string | null;
      readonly payload: JsonObject;
    }
  | {
      readonly kind: "enforcement";
      readonly enforcementId: string;
      readonly eventId: string;
      readonly ruleRef: string;
      readonly config: JsonObject;
    }
  | { readonly kind: "message"; readonly routingKey: string };
