/**
 * The rows that placement depends on, decoded; and the explanation of what it cannot place.
 */
import type { Queryable } from "../database/database.ts";
import { rowsOf } from "../database/statement.ts";
import { readLiveWorkers, type LiveWorker } from "../database/statements/sensor-workers.ts";
import { readWantedSensors, type SensorDemand } from "../database/statements/sensor-demands.ts";
import type { Id } from "../model/identifiers.ts";
import { nearestDouble } from "../model/json/exact-number.ts";
import { isJsonObject } from "../model/json/json.ts";
import { place, type PlaceableSensor, type PlacementWorker } from "../model/sensors/placement.ts";
import { placementRemedy } from "../model/sensors/placement-remedy.ts";
import { decodeWorkerSelector } from "../model/sensors/worker-selector.ts";
import { canonicalRuntimeName } from "../model/runtimes/runtime-names.ts";

export interface Obstacle {
  readonly reason: string;
  readonly remedy: string;
}

/**
 * Each sensor that should run but cannot, by its ref, with the reason for the operator.
 *
 * @param supposed workers to assume instead of the live ones
 */
export async function explainUnplaced(
  database: Queryable,
  supposed?: readonly PlacementWorker[],
): Promise<ReadonlyMap<string, Obstacle>> {
  // One after the other, because a transaction has one connection.
  const demands = await rowsOf(database, readWantedSensors, undefined);
  const workers =
    supposed ?? (await rowsOf(database, readLiveWorkers, { selfId: null })).map(placementWorker);
  const sensors = demands.map((sensor) => placeableSensor(sensor, sensor.holderId));
  const { unplaced } = place(sensors, workers);
  return new Map(
    sensors.flatMap((sensor) => {
      const reason = unplaced.get(sensor.id)?.join("; ");
      return reason === undefined
        ? []
        : [[sensor.ref, { reason, remedy: placementRemedy(sensor, workers) }] as const];
    }),
  );
}

/** @param holderId the live worker that runs it */
export function placeableSensor(sensor: SensorDemand, holderId: Id | null): PlaceableSensor {
  const { runtimeName, placement } = sensor;
  return {
    ...sensor,
    runtimeName: runtimeName === null ? null : canonicalRuntimeName(runtimeName),
    selector: decodeWorkerSelector(placement),
    holderId,
  };
}

/** Other processes wrote their capabilities themselves, so malformed ones count as absent. */
export function placementWorker({ id, name, capabilities }: Omit<LiveWorker, "load">): PlacementWorker {
  const { runtimes, runtime_versions: versions, max_concurrent_sensors: countMax } = capabilities;
  const names = Array.isArray(runtimes) ? runtimes.filter((each) => typeof each === "string") : [];
  const { labels } = capabilities;
  const versionEntries = isJsonObject(versions) ? Object.entries(versions) : [];
  return {
    id,
    name,
    runtimes: new Set(names.map(canonicalRuntimeName)),
    runtimeVersions: new Map(
      versionEntries.flatMap(([runtime, version]) =>
        typeof version === "string" ? [[canonicalRuntimeName(runtime), version]] : [],
      ),
    ),
    labels: new Map(
      Object.entries(isJsonObject(labels) ? labels : {}).flatMap(([label, value]) =>
        typeof value === "string" ? [[label, value]] : [],
      ),
    ),
    sensorCountMax: nearestDouble(countMax) ?? 0,
  };
}
