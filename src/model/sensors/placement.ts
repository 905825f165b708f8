/**
 * Chooses a worker for each unassigned sensor.
 *
 * Every worker computes this from the same rows and claims only the sensors it chose for itself, so the
 * result must depend only on the arguments. Sensors are considered in order of id; each goes to the least
 * loaded worker that offers its runtime and has capacity. Ties go to the larger worker, then to the older
 * one (smaller id). Workers that read slightly different rows may both try to claim a sensor; the claim
 * statement lets only one succeed.
 * A sensor whose `placement` selects workers runs only on those.
 * Built-in sensors start no program and use no capacity, but a worker that offers none, because it is stopping, gets none.
 *
 * The same function explains why a sensor cannot be placed, so that explanation and behaviour agree.
 */
import type { Id } from "../identifiers.ts";
import { isBuiltin, sensorKindOf } from "./sensor-kind.ts";
import { satisfiesVersion } from "../runtimes/versions.ts";
import { exclusion, type WorkerSelector } from "./worker-selector.ts";
import type { Decoded } from "../json/decoded.ts";

export interface PlaceableSensor {
  readonly id: Id;
  readonly ref: string;
  /** Null if the sensor names a runtime that has no row. */
  readonly runtimeName: string | null;
  readonly runtimeRef: string;
  readonly protocol: string;
  readonly entrypoint: string;
  readonly versionConstraint: string | null;
  /** The workers that its placement selects. */
  readonly selector: Decoded<WorkerSelector>;
  /** The live worker that runs it; null if it waits for one. */
  readonly holderId: Id | null;
}

export interface PlacementWorker {
  readonly id: Id;
  readonly name: string;
  readonly runtimes: ReadonlySet<string>;
  readonly runtimeVersions: ReadonlyMap<string, string>;
  readonly labels: ReadonlyMap<string, string>;
  readonly sensorCountMax: number;
}

export interface Placement {
  /** Sensor id → worker id, for the sensors that waited and found a worker. */
  readonly chosen: ReadonlyMap<Id, Id>;
  /** Sensor id → one sentence per obstacle, for the sensors that waited and found none. */
  readonly unplaced: ReadonlyMap<Id, readonly string[]>;
}

export function place(sensors: readonly PlaceableSensor[], workers: readonly PlacementWorker[]): Placement {
  const loads = new Map(workers.map((worker) => [worker.id, 0]));
  for (const sensor of sensors) {
    if (sensor.holderId !== null && loads.has(sensor.holderId)) addLoad(loads, sensor.holderId, sensor);
  }

  const chosen = new Map<Id, Id>();
  const unplaced = new Map<Id, readonly string[]>();
  const waiting = sensors.filter((sensor) => sensor.holderId === null).toSorted(byId);
  for (const sensor of waiting) {
    const obstacles: string[] = [];
    const candidates: PlacementWorker[] = [];
    const generalObstacle = obstacleEverywhere(sensor, workers);
    if (generalObstacle !== undefined) {
      unplaced.set(sensor.id, [generalObstacle]);
      continue;
    }
    for (const worker of workers) {
      const obstacle = obstacleOn(sensor, worker, loads.get(worker.id) ?? 0);
      if (obstacle === undefined) candidates.push(worker);
      else obstacles.push(obstacle);
    }
    const [best] = candidates.toSorted(
      (a, b) =>
        (loads.get(a.id) ?? 0) - (loads.get(b.id) ?? 0) || b.sensorCountMax - a.sensorCountMax || byId(a, b),
    );
    if (best === undefined) {
      unplaced.set(sensor.id, obstacles);
    } else {
      chosen.set(sensor.id, best.id);
      addLoad(loads, best.id, sensor);
    }
  }
  return { chosen, unplaced };
}

/** Why this worker cannot run this sensor, regardless of load; undefined if it can. */
export function incapacity(sensor: PlaceableSensor, worker: PlacementWorker): string | undefined {
  const { runtimeName, versionConstraint, selector } = sensor;
  if (selector.kind === "invalid") return placementProblem(selector.problem);
  const excluded = exclusion(selector.value, worker);
  if (excluded !== undefined)
    return `worker ${worker.name} ${excluded}, which the sensor's placement selects`;
  if (runtimeName === null || !worker.runtimes.has(runtimeName)) {
    return `worker ${worker.name} does not offer the runtime ${runtimeName ?? sensor.runtimeRef}`;
  }
  if (versionConstraint === null) return undefined;
  const version = worker.runtimeVersions.get(runtimeName);
  if (version !== undefined && satisfiesVersion(version, versionConstraint)) return undefined;
  const offered = `${runtimeName} ${version ?? "of unknown version"}`;
  return `worker ${worker.name} offers ${offered}, the sensor needs ${versionConstraint}`;
}

function obstacleEverywhere(
  sensor: PlaceableSensor,
  workers: readonly PlacementWorker[],
): string | undefined {
  const kind = sensorKindOf(sensor);
  if (kind.kind === "invalid") return kind.problem;
  if (sensor.selector.kind === "invalid") return placementProblem(sensor.selector.problem);
  if (sensor.runtimeName === null) return `runtime ${sensor.runtimeRef} does not exist`;
  if (workers.length === 0) return "no sensor worker is alive";
  return undefined;
}

function placementProblem(problem: string): string {
  return `its placement is not understood: ${problem}`;
}

function obstacleOn(sensor: PlaceableSensor, worker: PlacementWorker, load: number): string | undefined {
  const inability = incapacity(sensor, worker);
  if (inability !== undefined) return inability;
  if (load < worker.sensorCountMax || (isBuiltin(sensor) && worker.sensorCountMax > 0)) return undefined;
  return `worker ${worker.name} is full (${load} of ${worker.sensorCountMax} sensors)`;
}

function addLoad(loads: Map<Id, number>, workerId: Id, sensor: PlaceableSensor): void {
  if (isBuiltin(sensor)) return;
  loads.set(workerId, (loads.get(workerId) ?? 0) + 1);
}

function byId(a: { readonly id: Id }, b: { readonly id: Id }): number {
  // Decimal ids have no leading zeros, so the longer one is larger.
  return a.id.length - b.id.length || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
}
