/** What running sensors needs of the other features; the service wires it. */
import type { Id } from "../model/identifiers.ts";
import type { AssignmentTerm } from "../model/incoming-event.ts";
import type { JsonObject } from "../model/json.ts";
import type { OfferedRuntime } from "../model/offered-runtime.ts";

export interface SensorAssignments {
  /** The sensors this worker is to run, and under which right. A new map whenever it changes. */
  held(): ReadonlyMap<Id, AssignmentTerm>;
}

export interface OfferedRuntimes {
  offered(runtimeRef: string): OfferedRuntime | undefined;
}

/** Satisfied by telemetry/metrics.ts. */
export interface SensorMetrics {
  readonly linesRejected: (sensorRef: string, count: number) => void;
  readonly logLinesLost: (count: number) => void;
  readonly sensorRestarted: (sensorRef: string) => void;
}

/** A sensor has failed; becomes an event of the trigger core.alert. */
export interface SensorAlert {
  readonly sensorId: Id;
  readonly sensorRef: string;
  /** The event's payload. */
  readonly payload: JsonObject;
}
