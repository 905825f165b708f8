/** What to do about a sensor that no worker can run: the first thing that all workers lack. */
import { nativeRuntime } from "../runtimes/runtime-names.ts";
import { incapacity, type PlaceableSensor, type PlacementWorker } from "./placement.ts";
import { sensorKindOf } from "./sensor-kind.ts";
import { exclusion } from "./worker-selector.ts";

/** @param workers all live ones */
export function placementRemedy(sensor: PlaceableSensor, workers: readonly PlacementWorker[]): string {
  const { selector, runtimeName } = sensor;
  if (sensorKindOf(sensor).kind === "invalid")
    return "correct its definition, or run a version that knows it";
  if (selector.kind === "invalid") return "correct its placement";
  if (runtimeName === null) return "load the pack that defines the runtime, or correct the sensor's runtime";
  if (workers.length === 0) return "start an agent";

  const selected = workers.filter((worker) => exclusion(selector.value, worker) === undefined);
  if (selected.length === 0) return "start a worker that its placement selects, or correct its placement";
  const offering = selected.filter(({ runtimes }) => runtimes.has(runtimeName));
  if (offering.length === 0) return offerRemedy(runtimeName);
  if (offering.every((worker) => incapacity(sensor, worker) !== undefined))
    return "start a worker with such a version, or correct the sensor's runtime_version_constraint";
  return "start another worker that offers its runtime, or raise sensor.max_concurrent_sensors";
}

function offerRemedy(runtimeName: string): string {
  if (runtimeName === nativeRuntime)
    return (
      "to allow executables on a worker, name native in its ATTUNE_SENSOR_RUNTIMES or " +
      "sensor.capabilities.runtimes, together with the other runtimes that it should offer"
    );
  return `install ${runtimeName} where a worker runs, or start a worker in an image that has it; doctor shows there what is missing`;
}
