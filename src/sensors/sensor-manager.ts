/**
 * Runs the sensors that are assigned to this worker, and no others.
 *
 * One loop compares what should run with what runs:
 *
 *   should run: assigned to this worker, enabled, with an enabled rule on an enabled trigger, decodable,
 *               of a kind that this version runs (desired-state.ts)
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
 * The reason a sensor does not run is written to its row (resting-sensors.ts). Sensors that are no longer assigned are
 * stopped before the database is queried, because it may be unreachable.
 */
import { Changes } from "../concurrency/changes.ts";
import { settlesWithin } from "../concurrency/settles-within.ts";
import type { WakeableLoop } from "../concurrency/wakeable-loop.ts";
import { readAssignedSensors, type AssignedSensorRow } from "../database/statements/assigned-sensors.ts";
import type { ProcessReport } from "../database/statements/sensor-process.ts";
import type { Id } from "../model/identifiers.ts";
import { isSameTerm, type AssignmentTerm } from "../model/sensors/incoming-event.ts";
import type { RestartResult } from "../model/sensors/restart-result.ts";
import { reportedLoop } from "../telemetry/reported-loop.ts";
import { assembleInstance, type Assignment, type SensorPorts } from "./assemble-instance.ts";
import { launchFingerprint, type AssignedSensor } from "./assigned-sensor.ts";
import { desiredStateOf, type DesiredState } from "./desired-state.ts";
import type { OfferedRuntimes, SensorAssignments } from "./ports.ts";
import type { StatusListener } from "./report/sensor-notes.ts";
import { RestingSensors } from "./resting-sensors.ts";
import type { SensorInstance } from "./sensor-instance.ts";
import { SensorObservations } from "./sensor-observations.ts";

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

const retry = { delayMsFirst: 250, delayMsMax: 10_000 };
const finalWaitMs = 2_000;

export class SensorManager {
  readonly observations: SensorObservations;
  readonly #options: SensorManagerOptions;
  readonly #loop: WakeableLoop;
  readonly #entries = new Map<Id, Entry>();
  readonly #resting: RestingSensors;
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
    const ports = { ...options.ports, onStatus: noteStatus };
    this.#options = { ...options, ports };
    this.#resting = new RestingSensors(ports);
    this.observations = new SensorObservations({
      instances: () => this.#entries.values().map(({ instance }) => instance),
      fileWatching: ports.fileWatching,
      clock: ports.clock,
    });
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
    this.#resting.forget(id);
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
      const reason = this.#resting.reasonOf(sensorId);
      const state = entry?.instance.status;
      if (entry !== former && state !== undefined && state !== "starting")
        return { kind: "restarted", state };
      if (entry === undefined && reason !== undefined) return { kind: "refused", reason };
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

  countByState(): Record<ProcessReport["status"], number> {
    const counts = { starting: 0, running: 0, backoff: 0, failed: 0, stopped: 0 };
    for (const { instance } of this.#entries.values()) counts[instance.status] += 1;
    for (const status of this.#resting.statuses()) counts[status] += 1;
    return counts;
  }

  async #reconcile(): Promise<void> {
    const held = this.#options.assignments.held();
    for (const [id, { instance, term }] of this.#entries) {
      if (!isSameTerm(held.get(id), term)) instance.stop("it is no longer assigned to this worker");
    }
    this.#resting.keepOnly(held);

    const rows = await this.loadEnabledSensors();
    const desired = new Map(rows.map((row) => [row.id, desiredStateOf(row, this.#options.runtimes)]));
    for (const [id, term] of held) {
      this.#settle(id, term, desired.get(id) ?? { kind: "unwanted", ref: id, reason: "it was deleted" });
    }
  }

  #settle(id: Id, term: AssignmentTerm, desired: DesiredState): void {
    const entry = this.#entries.get(id);
    // A running sensor is not stopped on suspicion.
    if (desired.kind === "pending" && entry !== undefined) return;
    if (desired.kind !== "wanted") {
      // The next step reports it, once its instance has ended.
      if (entry === undefined) this.#resting.note(id, term, desired);
      else entry.instance.stop(desired.reason);
      return;
    }

    const { sensor, sensorKind: kind, runtime } = desired;
    if (entry === undefined) {
      this.startSensor({ sensor, kind, runtime, term });
    } else if (entry.fingerprint !== launchFingerprint(sensor, kind, runtime)) {
      entry.instance.stop("its definition changed");
    } else {
      keep(entry, sensor);
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
