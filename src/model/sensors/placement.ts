/**
 * Chooses a worker for each unassigned sensor.
 *
 * Every worker computes this from the same rows and claims only the sensors it chose for itself, so the
 * result must depend only on the arguments. Sensors are considered in order of id; each goes to the least
 * loaded worker that offers its runtime and has capacity. Ties go to the larger worker, then to the older
 * one (smaller id). Workers that read slightly different rows may both try to claim a sensor; the claim
 * statement lets only one succeed.
 * A sensor whose `placement` selects workers runs only on those. Built-in sensors start no program and use no capacity,
 * but a worker that offers zero capacity because it is stopping gets none.
 *
 * The same function explains why a sensor cannot be placed, so that explanation and behaviour agree.
 */
import type { Id } from "../identifiers.ts";
import { isBuiltin, sensorKindOf } from "./sensor-kind.ts";
import { satisfiesVersion } from "../runtimes/versions.ts";
import { describeObstacles, type Obstacle } from "./obstacles.ts";
import { exclusion, type WorkerSelector } from "./worker-selector.ts";
import { Heap } from "../heap.ts";
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
  const loads = new Map<Id, number>();
  for (const sensor of sensors) {
    if (sensor.holderId !== null && !isBuiltin(sensor)) addLoad(loads, sensor.holderId);
  }
  const waiting = sensors.filter(({ holderId }) => holderId === null);
  return new Placer(workers, loads).place(waiting);
}

/** Sensors that the same workers can run: they differ in nothing that decides it. */
interface Group {
  readonly isBuiltin: boolean;
  /** The workers that can run them and may have room, the best on top. */
  readonly candidates: Heap<Candidate>;
  /** Set once no candidate is left. It stays true, because a full worker stays full. */
  obstacles: readonly string[] | undefined;
}

interface Candidate {
  readonly worker: PlacementWorker;
  /** The worker's load when it was put into the heap. Loads only grow, so it may be better placed than it should be. */
  readonly load: number;
}

/**
 * Places page after page of waiting sensors, in order of id.
 *
 * Its time grows with the number of sensors, not with their product with the number of workers: sensors that the same
 * workers can run share one heap of them, and one list of obstacles.
 */
export class Placer {
  readonly #workers: readonly PlacementWorker[];
  readonly #workersByName: ReadonlyMap<string, PlacementWorker>;
  readonly #loads: Map<Id, number>;
  readonly #groups = new Map<string, Group>();

  /** @param loads how many sensors that use capacity each worker holds; counted on from here */
  constructor(workers: readonly PlacementWorker[], loads: ReadonlyMap<Id, number>) {
    this.#workers = workers;
    this.#workersByName = new Map(workers.map((worker) => [worker.name, worker]));
    this.#loads = new Map(loads);
  }

  /** @param waiting sensors without a holder */
  place(waiting: readonly PlaceableSensor[]): Placement {
    const chosen = new Map<Id, Id>();
    const unplaced = new Map<Id, readonly string[]>();
    for (const sensor of waiting.toSorted(byId)) {
      const generalObstacle = obstacleEverywhere(sensor, this.#workers);
      if (generalObstacle !== undefined) {
        unplaced.set(sensor.id, [generalObstacle]);
        continue;
      }
      const group = this.#groupOf(sensor);
      const best = this.#best(group);
      if (best === undefined) {
        group.obstacles ??= this.#obstacles(sensor);
        unplaced.set(sensor.id, group.obstacles);
      } else {
        chosen.set(sensor.id, best.id);
        if (!group.isBuiltin) addLoad(this.#loads, best.id);
      }
    }
    return { chosen, unplaced };
  }

  #groupOf(sensor: PlaceableSensor): Group {
    const key = requirementKey(sensor);
    let group = this.#groups.get(key);
    if (group === undefined) {
      const candidates = this.#eligible(sensor)
        .filter((worker) => incapacity(sensor, worker) === undefined)
        .map((worker): Candidate => ({ worker, load: this.#load(worker) }));
      group = {
        isBuiltin: isBuiltin(sensor),
        candidates: new Heap(candidates, isBetter),
        obstacles: undefined,
      };
      this.#groups.set(key, group);
    }
    return group;
  }

  /** The workers among which those that can run it are. */
  #eligible({ selector }: PlaceableSensor): readonly PlacementWorker[] {
    if (selector.kind === "invalid" || selector.value.worker === null) return this.#workers;
    const worker = this.#workersByName.get(selector.value.worker);
    return worker === undefined ? [] : [worker];
  }

  #best({ candidates, isBuiltin: isFree }: Group): PlacementWorker | undefined {
    for (;;) {
      const top = candidates.top();
      if (top === undefined) return undefined;
      const { worker } = top;
      const load = this.#load(worker);
      if (load !== top.load) candidates.replaceTop({ worker, load });
      else if (hasRoom(worker, load, isFree)) return worker;
      else candidates.removeTop();
    }
  }

  #obstacles(sensor: PlaceableSensor): readonly string[] {
    return describeObstacles(
      this.#workers.map((worker) => incapacity(sensor, worker) ?? fullness(worker, this.#load(worker))),
    );
  }

  #load({ id }: PlacementWorker): number {
    return this.#loads.get(id) ?? 0;
  }
}

function isBetter(one: Candidate, other: Candidate): boolean {
  const order =
    one.load - other.load ||
    other.worker.sensorCountMax - one.worker.sensorCountMax ||
    byId(one.worker, other.worker);
  return order < 0;
}

/** All that `incapacity` and the use of capacity depend on. */
function requirementKey(sensor: PlaceableSensor): string {
  const { runtimeName, runtimeRef, versionConstraint, selector } = sensor;
  const selected = selector.kind === "invalid" ? null : [selector.value.worker, ...selector.value.labels];
  return JSON.stringify([runtimeName, isBuiltin(sensor) ? runtimeRef : null, versionConstraint, selected]);
}

function hasRoom(worker: PlacementWorker, load: number, isFree: boolean): boolean {
  return load < worker.sensorCountMax || (isFree && worker.sensorCountMax > 0);
}

/** Why this worker cannot run this sensor, regardless of load; undefined if it can. */
export function incapacity(sensor: PlaceableSensor, worker: PlacementWorker): Obstacle | undefined {
  const clause = incapacityClause(sensor, worker);
  return clause === undefined ? undefined : { workerName: worker.name, clause, kind: clause };
}

function incapacityClause(sensor: PlaceableSensor, worker: PlacementWorker): string | undefined {
  const { runtimeName, versionConstraint, selector } = sensor;
  if (selector.kind === "invalid") return `cannot be chosen: ${placementProblem(selector.problem)}`;
  const excluded = exclusion(selector.value, worker);
  if (excluded !== undefined) return `${excluded}, which the sensor's placement selects`;
  if (runtimeName === null || !worker.runtimes.has(runtimeName))
    return `does not offer the runtime ${runtimeName ?? sensor.runtimeRef}`;
  if (versionConstraint === null) return undefined;
  const version = worker.runtimeVersions.get(runtimeName);
  if (version !== undefined && satisfiesVersion(version, versionConstraint)) return undefined;
  return `offers ${runtimeName} ${version ?? "of unknown version"}, the sensor needs ${versionConstraint}`;
}

/** @param load how many sensors that use capacity the worker holds */
export function fullness({ name, sensorCountMax }: PlacementWorker, load: number): Obstacle {
  return { workerName: name, clause: `is full (${load} of ${sensorCountMax} sensors)`, kind: "is full" };
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

function addLoad(loads: Map<Id, number>, workerId: Id): void {
  loads.set(workerId, (loads.get(workerId) ?? 0) + 1);
}

function byId(a: { readonly id: Id }, b: { readonly id: Id }): number {
  // Decimal ids have no leading zeros, so the longer one is larger.
  return a.id.length - b.id.length || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
}
