/**
 * The capabilities in a worker's row (contract section 2, `worker.capabilities`).
 */
import type { JsonObject } from "../model/json/json.ts";
import type { RuntimeCapabilities } from "../model/runtimes/runtime-offer.ts";

export interface WorkerDescription {
  readonly runtimes: RuntimeCapabilities;
  readonly sensorCountMax: number;
  readonly agentVersion: string;
  readonly labels: Readonly<Record<string, string>>;
  /** `sensor.capabilities` from the configuration, whose keys are reported unchanged. */
  readonly configured: JsonObject;
}

export function workerCapabilities(worker: WorkerDescription): JsonObject {
  return {
    ...worker.configured,
    ...runtimeCapabilities(worker.runtimes),
    max_concurrent_sensors: worker.sensorCountMax,
    sensor_version: worker.agentVersion,
    agent_mode: true,
    labels: worker.labels,
  };
}

/** The part that changes while a worker runs. */
export function runtimeCapabilities(runtimes: RuntimeCapabilities): JsonObject {
  return {
    runtimes: runtimes.runtimes,
    runtime_versions: runtimes.runtimeVersions,
    detected_interpreters: runtimes.detectedInterpreters.map(({ name, path, version }) => ({
      name,
      path,
      version,
    })),
  };
}
