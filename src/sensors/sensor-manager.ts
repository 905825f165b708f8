/**
 * Runs the sensors that are assigned to this worker, and no others.
 *
 * One loop compares what should run with what runs:
 *
 *   should run: assigned to this worker, enabled, with an enabled rule on an enabled trigger, decodable,
 *               of a kind that this version runs
 *   runs:       has an instance (sensor-instance.ts), which supervises its source
 *
 * - should run, does not        → gets a new instance, but not before its runtime's row has been verified, because
 *                                 otherwise it would fail for that alone; nor before a former sensor with its ref has
 *                                 stopped, because they share what belongs to the ref, such as the folder for its state
 * - runs, should not            → is asked to stop; its entry stays until it has stopped
 * - both, but definition changed → is asked to stop; a later step finds it missing and starts it again
 * - both, and its rules changed  → its source is told, if the change alone is no reason to start it again; in backoff or
 *                                 failed, it is retried at once
 * - both, and its row was updated → is retried at once if it is in backoff or failed
 *
 * The reason a sensor cannot run is written to its row in sensor_process, once per reason and term: with a new term, the
 * row may be another worker's, or a restore of the database may have set it back. Sensors that are no longer
 * assigned are stopped before the database is queried, because it may be unreachable.
 */
import { Changes } from "../concurrency/changes.ts";
import { settlesWithin } from "../concurrency/settles-within.ts";
import type { WakeableLoop } from "../concurrency/wakeable-loop.ts";
import { readAssignedSensors, type AssignedSensorRow } from "../database/statements/assigned-sensors.ts";
import type { ProcessReport } from "../database/statements/sensor-process.ts";
import type { Id } from "../model/identifiers.ts";
import type { AssignmentTerm } from "../model/sensors/incoming-event.ts";
import type { RestartResult } from "../model/sensors/restart-result.ts";
import type { RuntimeAnswer } from "../model/runtimes/runtime-offer.ts";
import { sensorKindOf, type SensorKind } from "../model/sensors/sensor-kind.ts";
import { reportedLoop } from "../telemetry/reported-loop.ts";
import { assembleInstance, type Assignment, type SensorPorts } from "./assemble-instance.ts";
import { decodeAssignedSensor, launchFingerprint, type AssignedSensor } from "./assigned-sensor.ts";
import type { OfferedRuntimes, SensorAssignments } from "./ports.ts";
import { unstartedReport, type StatusListener } from "./report/sensor-notes.ts";
import type { SensorInstance } from "./sensor-instance.ts";

export interface SensorManagerOptions {
  /** What each sensor runs with. The manager runs and flushes the recorder. */
  readonly ports: SensorPorts;
  readonly assignments: SensorAssignments;
  readonly runtimes: OfferedRuntimes;
  /** How often desired and actual state are compared without a hint. */
  readonly intervalMs: number;
  /** No process of the sensor is left and its events are settled: its assignment may be released. */
  readonly onStopped: (sensorId: Id) => void;
}

interface Entry {
  readonly instance: SensorInstance;
  readonly term: AssignmentTerm;
  readonly fingerprint: string;
  /** When the sensor's row was updated, as of the last comparison. */
  updated: string;
  /** The rules that were last acted upon. */
  rules: string;
  readonly ended: Promise<void>;
}

type Placement =
  | {
      readonly kind: "wanted";
      readonly sensor: AssignedSensor;
      readonly sensorKind: SensorKind;
      readonly runtime: RuntimeAnswer;
    }
  /** Not known yet whether it can run; a wake follows. */
  | { readonly kind: "pending"; readonly ref: string; readonly reason: string }
  /** It should not run. */
  | { readonly kind: "unwanted"; readonly ref: string; readonly reason: string }
  /** It should run, but its rows make that impossible. */
  | { readonly kind: "unable"; readonly ref: string; readonly reason: string };

const retry = { delayMsFirst: 250, delayMsMax: 10_000 };
const finalWaitMs = 2_000;

export class SensorManager {
  readonly #options: SensorManagerOptions;
  readonly #loop: WakeableLoop;
  readonly #entries = new Map<Id, Entry>();
  /** Why assigned sensors are not running, as last reported. */
  readonly #resting = new Map<
    Id,
    {
      readonly kind: "unwanted" | "pending" | "unable";
      readonly reason: string;
      readonly term: AssignmentTerm;
    }
  >();
  readonly #stopping = new AbortController();
  /** Changes of instances, their states, and the reasons why sensors do not run. */
  readonly #changes = new Changes();
  #running: Promise<unknown> | undefined;

  constructor(options: SensorManagerOptions) {
    const { onStatus } = options.ports;
    const noteStatus: StatusListener = (...status) => {
      this.#changes.note();
      onStatus(...status);
    };
    this.#options = { ...options, ports: { ...options.ports, onStatus: noteStatus } };
    this.#loop = reportedLoop(
      {
        texts: {
          begins: "could not compare sensors with their rows; trying again",
          ends: "sensors are compared with their rows again",
        },
        step: () => this.#reconcile(),
        intervalMs: options.intervalMs,
        retry,
      },
      options.ports,
    );
  }

  /** Starts running assigned sensors. */
  start(): void {
    this.#running ??= Promise.all([
      this.monitoringLoop(this.#stopping.signal),
      this.#options.ports.recorder.run(this.#stopping.signal),
    ]);
  }

  /** Stops every sensor within the configured limits; resolves when none is left. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    for (const { instance } of this.#entries.values()) instance.leave("the worker is stopping");
    await Promise.all([...this.#entries.values()].map((entry) => entry.ended));
    await this.#flushReports();
    // A step may still be waiting for the database, but will start nothing more.
    if (this.#running !== undefined) await settlesWithin(this.#running, finalWaitMs);
  }

  /** Compares desired and actual state at every hint and interval until the signal aborts. */
  async monitoringLoop(signal: AbortSignal): Promise<void> {
    await this.#loop.run(signal);
  }

  /** A hint: assignments, definitions or runtimes may have changed. */
  wake(): void {
    this.#loop.wake();
  }

  /** The rows of the sensors assigned to this worker. */
  async loadEnabledSensors(): Promise<readonly AssignedSensorRow[]> {
    const ids = [...this.#options.assignments.held().keys()];
    return ids.length === 0 ? [] : readAssignedSensors(this.#options.ports.database, ids);
  }

  /**
   * Starts a sensor that has no instance here; its instance deals with failures. Does nothing while a former sensor with
   * the same ref is stopping: a wake follows its end.
   */
  startSensor(assignment: Assignment): void {
    const { sensor, kind, runtime, term } = assignment;
    const { id, ref } = sensor.definition;
    if (this.#entries.has(id) || this.#isRefInUse(ref) || this.#stopping.signal.aborted) return;
    const instance = assembleInstance(assignment, this.#options.ports, () => this.wake());
    this.#resting.delete(id);
    this.#entries.set(id, {
      instance,
      term,
      fingerprint: launchFingerprint(sensor, kind, runtime),
      updated: sensor.updated,
      rules: JSON.stringify(sensor.rules),
      ended: this.#runToEnd(id, instance),
    });
  }

  /** Retries a failed sensor at once; false if this worker does not run it. */
  retryNow(sensorId: Id): boolean {
    const entry = this.#entries.get(sensorId);
    entry?.instance.retryNow();
    return entry !== undefined;
  }

  /**
   * Restarts a sensor and resets its failure count; a failed one is retried at once. Resolves when the new instance is
   * running or has failed, or after the limit.
   */
  async restart(sensorId: Id, limitMs: number): Promise<RestartResult> {
    const { clock } = this.#options.ports;
    const former = this.#entries.get(sensorId);
    former?.instance.stop("a restart was requested");
    const endMs = clock.monotonicMs() + limitMs;
    for (;;) {
      const entry = this.#entries.get(sensorId);
      const rest = this.#resting.get(sensorId);
      const state = entry?.instance.status;
      if (entry !== former && state !== undefined && state !== "starting")
        return { kind: "restarted", state };
      if (entry === undefined && rest !== undefined) return { kind: "refused", reason: rest.reason };
      if (!this.#options.assignments.held().has(sensorId)) {
        return { kind: "refused", reason: "it is not assigned to this worker any more" };
      }
      const leftMs = endMs - clock.monotonicMs();
      if (leftMs <= 0) return { kind: "under-way" };
      await this.#changes.nextWithin(leftMs, clock);
    }
  }

  /** Whether a process of it may exist or events of it may still be in flight. */
  isRunning(sensorId: Id): boolean {
    return this.#entries.has(sensorId);
  }

  /** Sensors that run or are about to run. */
  activeCount(): number {
    const { starting, running, backoff } = this.countByState();
    return starting + running + backoff;
  }

  failedCount(): number {
    return this.countByState().failed;
  }

  /** Running stream sensors that have printed no line, with the seconds since their start. */
  silentSeconds(): ReadonlyMap<string, number> {
    const nowMs = this.#options.ports.clock.nowMs();
    return new Map(
      [...this.#entries.values()].flatMap(({ instance }): [string, number][] =>
        instance.silentSince === null
          ? []
          : [[instance.ref, (nowMs - instance.silentSince.getTime()) / 1_000]],
      ),
    );
  }

  /** How long ago each running stream sensor last printed; without those that have not printed yet. */
  outputAgeSeconds(): ReadonlyMap<string, number> {
    return this.#numberBySensor((instance) => instance.outputAgeSeconds());
  }

  /** Stream sensors that have been silent for unusually long: 1 each. */
  unusuallySilent(): ReadonlyMap<string, number> {
    return this.#numberBySensor((instance) => (instance.isUnusuallySilent ? 1 : undefined));
  }

  /** For how long standalone sensors that listened for rule changes have had no way to hear of any. */
  deafSeconds(): ReadonlyMap<string, number> {
    return this.#numberBySensor((instance) => instance.deafSeconds());
  }

  /** Watched places that are polled although no rule asks for it, by why. */
  filePlacesPolled(): ReadonlyMap<string, number> {
    return this.#options.ports.fileWatching.polledPlaces();
  }

  /** When an event of a sensor was last stored, in seconds of Unix time; without those that have none yet. */
  lastEventSeconds(): ReadonlyMap<string, number> {
    return this.#numberBySensor((instance) => instance.lastEventSeconds);
  }

  /** Sensors whose output is not being read because the pipeline has no room, with how long that has lasted. */
  stalledSeconds(): ReadonlyMap<string, number> {
    return this.#numberBySensor((instance) => instance.stalledSeconds());
  }

  countByState(): Record<ProcessReport["status"], number> {
    const counts = { starting: 0, running: 0, backoff: 0, failed: 0, stopped: 0 };
    for (const { instance } of this.#entries.values()) counts[instance.status] += 1;
    for (const { kind } of this.#resting.values()) counts[kind === "unable" ? "failed" : "stopped"] += 1;
    return counts;
  }

  #numberBySensor(of: (instance: SensorInstance) => number | undefined): ReadonlyMap<string, number> {
    const numbers = new Map<string, number>();
    for (const { instance } of this.#entries.values()) {
      const value = of(instance);
      if (value !== undefined) numbers.set(instance.ref, value);
    }
    return numbers;
  }

  async #reconcile(): Promise<void> {
    const held = this.#options.assignments.held();
    for (const [id, { instance, term }] of this.#entries) {
      if (!isSameTerm(held.get(id), term)) instance.stop("it is no longer assigned to this worker");
    }
    for (const id of this.#resting.keys()) if (!held.has(id)) this.#resting.delete(id);

    const rows = await this.loadEnabledSensors();
    const placements = new Map(rows.map((row) => [row.id, this.#placementOf(row)]));
    for (const [id, term] of held) {
      this.#settle(id, term, placements.get(id) ?? { kind: "unwanted", ref: id, reason: "it was deleted" });
    }
  }

  #settle(id: Id, term: AssignmentTerm, placement: Placement): void {
    const entry = this.#entries.get(id);
    // A running sensor is not stopped on suspicion.
    if (placement.kind === "pending" && entry !== undefined) return;
    if (placement.kind !== "wanted") {
      // The next step reports it, once its instance has ended.
      if (entry === undefined) this.#reportRest(id, term, placement);
      else entry.instance.stop(placement.reason);
      return;
    }

    const { sensor, sensorKind: kind, runtime } = placement;
    if (entry === undefined) {
      this.startSensor({ sensor, kind, runtime, term });
    } else if (entry.fingerprint !== launchFingerprint(sensor, kind, runtime)) {
      entry.instance.stop("its definition changed");
    } else {
      keep(entry, sensor);
    }
  }

  #placementOf(row: AssignedSensorRow): Placement {
    const { ref } = row;
    const decoded = decodeAssignedSensor(row);
    if (decoded.kind === "invalid") return { kind: "unable", ref, reason: decoded.problem };
    const sensor = decoded.value;
    const { enabled, protocol, entrypoint, runtimeRef } = sensor.definition;
    if (!enabled) return { kind: "unwanted", ref, reason: "it is disabled" };
    if (sensor.rules.length === 0) {
      return { kind: "unwanted", ref, reason: "no enabled rule needs its events" };
    }
    const runtime = this.#options.runtimes.offered(runtimeRef);
    const runtimeName = runtime.kind === "offered" ? runtime.runtime.name : null;
    const kind = sensorKindOf({ protocol, entrypoint, runtimeRef, runtimeName });
    if (kind.kind === "invalid") return { kind: "unable", ref, reason: kind.problem };
    if (runtime.kind === "pending") {
      return { kind: "pending", ref, reason: `its runtime ${runtimeRef} is not verified yet` };
    }
    return { kind: "wanted", sensor, sensorKind: kind.value, runtime };
  }

  #reportRest(
    id: Id,
    term: AssignmentTerm,
    { kind, ref, reason }: Exclude<Placement, { kind: "wanted" }>,
  ): void {
    const known = this.#resting.get(id);
    if (known?.kind === kind && known.reason === reason && isSameTerm(known.term, term)) return;
    this.#resting.set(id, { kind, reason, term });
    const status = kind === "unable" ? "failed" : "stopped";
    const { recorder, onStatus, logger } = this.#options.ports;
    recorder.record(id, term.instance, { ...unstartedReport, status, reason });
    onStatus(ref, status, reason);
    if (kind === "unable") {
      logger.warn({ sensor_ref: ref, reason }, "a sensor assigned to this worker cannot be run");
    }
  }

  #isRefInUse(ref: string): boolean {
    return this.#entries.values().some(({ instance }) => instance.ref === ref);
  }

  async #runToEnd(id: Id, instance: SensorInstance): Promise<void> {
    await instance.run();
    this.#entries.delete(id);
    this.#changes.note();
    this.#options.onStopped(id);
    this.wake();
  }

  /** A last attempt, because the rows should not keep saying that sensors run. */
  async #flushReports(): Promise<void> {
    const { recorder, logger } = this.#options.ports;
    const flushed = recorder.flush().catch((error: unknown) => {
      logger.warn({ error }, "could not record that the sensors have stopped");
    });
    await settlesWithin(flushed, finalWaitMs);
  }
}

/** It goes on as it was started. */
function keep(entry: Entry, sensor: AssignedSensor): void {
  const rules = JSON.stringify(sensor.rules);
  if (entry.rules !== rules) {
    entry.rules = rules;
    entry.instance.noteRulesChanged();
    entry.instance.retryNow();
  }
  if (entry.updated !== sensor.updated) {
    entry.updated = sensor.updated;
    entry.instance.retryNow();
  }
}

function isSameTerm(one: AssignmentTerm | undefined, other: AssignmentTerm): boolean {
  return one?.generation === other.generation && one.instance === other.instance;
}
