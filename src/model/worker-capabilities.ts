import type { JsonObject, JsonValue } from "./json.ts";
import type { RuntimeCapabilities } from "./runtime-offer.ts";

export interface WorkerAbilities {
  readonly runtimes: RuntimeCapabilities;
  readonly sensorCountMax: number;
  readonly agentVersion: string;
  readonly labels: Readonly<Record<string, string>>;
  /** `sensor.capabilities` of the configuration; its `runtimes` is an override and not reported as such. */
  readonly configured: JsonObject;
}

/** The column `worker.capabilities`. A custom key never hides one of the platform's. */
export function workerCapabilities(abilities: WorkerAbilities): JsonObject {
  const { configured, labels, sensorCountMax, agentVersion } = abilities;
  return {
    ...configured,
    ...runtimeCapabilities(abilities.runtimes),
    max_concurrent_sensors: sensorCountMax,
    sensor_version: agentVersion,
    agent_mode: true,
    labels,
  };
}

/** The keys that runtimes make, to be reported anew when they change. */
export function runtimeCapabilities(capabilities: RuntimeCapabilities): Readonly<Record<string, JsonValue>> {
  return {
    runtimes: capabilities.runtimes,
    runtime_versions: capabilities.runtimeVersions,
    detected_interpreters: capabilities.detectedInterpreters.map(({ name, path, version }) => ({
      name,
      path,
      version,
    })),
  };
}
