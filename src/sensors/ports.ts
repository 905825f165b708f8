/** What the sensors feature needs from other features; the service wires it. */
import type { Id } from "../model/identifiers.ts";
import type { AssignmentTerm } from "../model/sensors/incoming-event.ts";
import type { JsonObject } from "../model/json/json.ts";
import type { RuntimeAnswer } from "../model/runtimes/runtime-offer.ts";

export interface SensorAssignments {
  /** The sensors this worker should run, with their terms. A new map whenever it changes. */
  held(): ReadonlyMap<Id, AssignmentTerm>;
}

export interface OfferedRuntimes {
  /** Pending if its row may be new and has not been verified yet; a wake follows. */
  offered(runtimeRef: string): RuntimeAnswer | { readonly kind: "pending" };
}

/** Satisfied by telemetry/metrics.ts. */
export interface SensorMetrics {
  readonly linesRejected: (sensorRef: string, count: number) => void;
  readonly sensorRestarted: (sensorRef: string) => void;
}

/** Reports a failed sensor as an event of the trigger core.alert. */
export interface SensorAlert {
  readonly sensorId: Id;
  readonly sensorRef: string;
  /** The event's payload. */
  readonly payload: JsonObject;
}
