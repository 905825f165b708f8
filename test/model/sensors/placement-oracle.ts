/** The first version of `place`: it compares every sensor with every worker, and so leaves no doubt about what it does. */
import { describeObstacles, type Obstacle } from "../../../src/model/sensors/obstacles.ts";
import {
  fullness,
  incapacity,
  type PlaceableSensor,
  type Placement,
  type PlacementWorker,
} from "../../../src/model/sensors/placement.ts";
import type { Id } from "../../../src/model/identifiers.ts";
import { isBuiltin, sensorKindOf } from "../../../src/model/sensors/sensor-kind.ts";

export function placeByComparingAll(
  sensors: readonly PlaceableSensor[],
  workers: readonly PlacementWorker[],
): Placement {
  const loads = new Map(workers.map((worker) => [worker.id, 0]));
  for (const sensor of sensors) {
    if (sensor.holderId !== null && loads.has(sensor.holderId)) addLoad(loads, sensor.holderId, sensor);
  }

  const chosen = new Map<Id, Id>();
  const unplaced = new Map<Id, readonly string[]>();
  const waiting = sensors.filter((sensor) => sensor.holderId === null).toSorted(byId);
  for (const sensor of waiting) {
    const obstacles: Obstacle[] = [];
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
      unplaced.set(sensor.id, describeObstacles(obstacles));
    } else {
      chosen.set(sensor.id, best.id);
      addLoad(loads, best.id, sensor);
    }
  }
  return { chosen, unplaced };
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

function obstacleOn(sensor: PlaceableSensor, worker: PlacementWorker, load: number): Obstacle | undefined {
  const inability = incapacity(sensor, worker);
  if (inability !== undefined) return inability;
  if (load < worker.sensorCountMax || (isBuiltin(sensor) && worker.sensorCountMax > 0)) return undefined;
  return fullness(worker, load);
}

function addLoad(loads: Map<Id, number>, workerId: Id, sensor: PlaceableSensor): void {
  if (isBuiltin(sensor)) return;
  loads.set(workerId, (loads.get(workerId) ?? 0) + 1);
}

function byId(a: { readonly id: Id }, b: { readonly id: Id }): number {
  // Decimal ids have no leading zeros, so the longer one is larger.
  return a.id.length - b.id.length || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
}
