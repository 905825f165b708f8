/** What every step of a start is given: how the service is to run, and where an opened part belongs. */
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
  /** As it was at the start; nobody reads the process's own after that. */
  readonly agentVariables: AgentVariables;
  readonly detectedInterpreters: readonly DetectedInterpreter[];
  /** ATTUNE_SENSOR_RUNTIMES as it came from outside; undefined: it did not. */
  readonly runtimesFromEnvironment: readonly string[] | undefined;
  readonly agentVersion: string;
  /** Values that no report may show. */
  readonly secrets: readonly string[];
}

export interface ServiceContext {
  readonly options: SensorServiceOptions;
  readonly lifetime: Lifetime;
  /** Aborted when the service is to stop, for what a start waits for. */
  readonly stopping: AbortSignal;
  readonly activity: Activity;
  /** Ends the service: it cannot go on. */
  readonly fail: (reason: unknown) => void;
  /** This process's mark in the worker's row, in assignments and in the outbox. */
  readonly instance: string;
  readonly clock: Clock;
  readonly random: () => number;
}

/** How many sensors this worker takes on at most. */
export function sensorCountMax({ sensor }: Config): number {
  return sensor.enabled ? sensor.max_concurrent_sensors : 0;
}
