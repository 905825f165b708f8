/**
 * The decoded rows that placement depends on.
 */
import type { Queryable } from "../database/database.ts";
import { rowsOf } from "../database/statement.ts";
import {
  readLiveWorkers,
  readWantedSensors,
  type LiveWorker,
  type SchedulableSensor,
} from "../database/statements/assignments.ts";
import type { Id } from "../model/identifiers.ts";
import { nearestDouble } from "../model/json/exact-number.ts";
import { isJsonObject } from "../model/json/json.ts";
import { place, type PlaceableSensor, type PlacementWorker } from "../model/sensors/placement.ts";
import { decodeWorkerSelector } from "../model/sensors/worker-selector.ts";
import { canonicalRuntimeName } from "../model/runtimes/runtime-names.ts";

export interface PlacementFacts {
  /** Every sensor that should run. */
  readonly sensors: readonly PlaceableSensor[];
  /** Those held by workers whose leases have expired. */
  readonly lapsed: ReadonlySet<Id>;
  /** Every live sensor worker, and the asking one. */
  readonly workers: readonly PlacementWorker[];
  /** The database's clock at which leases were judged, in milliseconds; undefined if no sensor should run. */
  readonly databaseMs: number | undefined;
}

/** @param selfId the asking worker; null if none */
export async function readPlacementFacts(database: Queryable, selfId: Id | null): Promise<PlacementFacts> {
  // One after the other, because a transaction has one connection.
  const sensors = await rowsOf(database, readWantedSensors, { selfId });
  const workers = await rowsOf(database, readLiveWorkers, { selfId });
  return {
    databaseMs: sensors[0]?.databaseMs,
    sensors: sensors.map(placeableSensor),
    lapsed: new Set(sensors.filter(({ isLapsed }) => isLapsed).map(({ id }) => id)),
    workers: workers.map(placementWorker),
  };
}

/**
 * Each sensor that should run but cannot, with the reason for the operator.
 *
 * @param supposed workers to assume instead of the live ones
 */
export async function explainUnplaced(
  database: Queryable,
  supposed?: readonly PlacementWorker[],
): Promise<readonly { readonly sensorRef: string; readonly reason: string }[]> {
  const facts = await readPlacementFacts(database, null);
  const { unplaced } = place(facts.sensors, supposed ?? facts.workers);
  return facts.sensors.flatMap(({ id, ref }) => {
    const obstacles = unplaced.get(id);
    return obstacles === undefined ? [] : [{ sensorRef: ref, reason: obstacles.join("; ") }];
  });
}

function placeableSensor(sensor: SchedulableSensor): PlaceableSensor {
  const { runtimeName, placement } = sensor;
  return {
    ...sensor,
    runtimeName: runtimeName === null ? null : canonicalRuntimeName(runtimeName),
    selector: decodeWorkerSelector(placement),
  };
}

/** Other processes wrote their capabilities themselves, so malformed ones count as absent. */
function placementWorker({ id, name, capabilities }: LiveWorker): PlacementWorker {
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
