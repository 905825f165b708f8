/** What every step of a start gets: the options of the service, and the lifetime for opened parts. */
import type { Lifetime } from "../concurrency/lifetime.ts";
import type { Config } from "../config/schema.ts";
import type { DetectedInterpreter } from "../model/runtimes/detected-interpreter.ts";
import type { AgentVariables } from "../sensors/launch/sensor-variables.ts";
import type { Activity } from "../telemetry/activity.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Clock } from "../time/clock.ts";

export interface SensorServiceOptions {
  readonly config: Config;
  readonly logger: Logger;
  /** The agent's variables at its start; process.env is not read after that. */
  readonly agentVariables: AgentVariables;
  readonly detectedInterpreters: readonly DetectedInterpreter[];
  /** ATTUNE_SENSOR_RUNTIMES as set from outside; undefined if it was not. */
  readonly runtimesFromEnvironment: readonly string[] | undefined;
  readonly agentVersion: string;
  /** Values that no report may contain. */
  readonly secrets: readonly string[];
}

export interface ServiceContext {
  readonly options: SensorServiceOptions;
  readonly lifetime: Lifetime;
  /** Aborts when the service should stop, to end waits of the start. */
  readonly stopping: AbortSignal;
  readonly activity: Activity;
  /** Stops the service because it cannot continue. */
  readonly fail: (reason: unknown) => void;
  /** Identifies this process in the worker's row, in assignments and in the outbox. */
  readonly instance: string;
  readonly clock: Clock;
  readonly random: () => number;
}

/** The maximum number of sensors on this worker. */
export function sensorCountMax({ sensor }: Config): number {
  return sensor.enabled ? sensor.max_concurrent_sensors : 0;
}
