/**
 * Decides which sensors this worker runs, and under which terms.
 *
 * From this worker's view, an assignment in the database has one of these states:
 *
 *   free ──claim──▶ held ──no longer wanted──▶ leaving ──sensor stopped, release──▶ free
 *                    │                            │
 *                    └───────── lost ◀────────────┘   (a look no longer finds it)
 *
 *   held     ours, should run, and this worker can run it: the sensors feature runs it
 *   leaving  ours, but disabled, without rules, or its runtime is no longer offered: the sensor is being stopped. The
 *            assignment is kept until then, so that no other worker starts a second one meanwhile
 *   lost     another instance claimed it after our lease expired, or it was deleted: stop at once. Its events would be
 *            refused anyway, because the generation has changed
 *
 * One worker places sensors for all: the one with the lowest id among those that are alive and have room. It gives each
 * sensor that waits to the worker with the least load, and a notification wakes only the workers that got some. When its
 * lease ends or it stops, the next one goes on; until then the next two act on hints, too, a little later. Nothing depends on
 * there being only one: any worker may make a claim, and the others look now and then.
 *
 * Two loops never wait for each other. Renewal (lease-renewal.ts) keeps the leases alive and notices, at every interval,
 * that an assignment was gained or lost, that another worker's lease has ended, and which worker places. The other loop,
 * here, does two things when there is reason to: it looks at what it holds, publishes the held set and releases stopped
 * sensors; and if this worker places, it places what waits (waiting-sensors.ts). It may wait for the database as long as it
 * takes, because the leases stay alive.
 *
 * A sensor is stopped only if the rows say that it should not run here or that another worker has it. An expired lease is
 * not a reason: until another worker claims the sensor, renewal revives the lease, and only the database knows whether
 * one has. So this worker counts itself as live, whatever its row says, and continues while the database does not
 * answer. Then the others cannot claim either; if only this worker is cut off, the generation refuses its late writes.
 * Meanwhile its sensors keep running and their events wait. By its own clock it judges only whether others may have taken
 * over: health reports that from one lease duration after the last renewal.
 *
 * An expired assignment is not claimed while its holder may be as alive as this worker, after a common outage or a change
 * of the database's clock (LeaseRenewal.sparesLapsed). An assignment without a holder is claimed at once.
 *
 * Invariants: `held` is a subset of the assignments that looks and claims returned and no later look missed. No
 * assignment is released while `isRunning` reports its sensor. The worker that places reports for each sensor that should
 * run but runs nowhere why (unplaced-sensors.ts).
 */
import type { WakeableLoop } from "../concurrency/wakeable-loop.ts";
import { classifyDatabaseError } from "../database/errors.ts";
import { rowOf, rowsOf } from "../database/statement.ts";
import { assignmentsDigest, type RenewedLease } from "../database/statements/lease-renewals.ts";
import { readOwnSensors } from "../database/statements/sensor-demands.ts";
import { readWorker } from "../database/statements/sensor-workers.ts";
import { releaseSensors } from "../database/statements/assignments.ts";
import type { Id } from "../model/identifiers.ts";
import { isSameTerm, type AssignmentTerm } from "../model/sensors/incoming-event.ts";
import { incapacity } from "../model/sensors/placement.ts";
import { isBuiltin } from "../model/sensors/sensor-kind.ts";
import { reportedLoop } from "../telemetry/reported-loop.ts";
import type { PartHealth } from "../telemetry/part-health.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { LeaseRenewal, type LeaseRenewalOptions } from "./lease-renewal.ts";
import { OwnedAssignments } from "./owned-assignments.ts";
import { placeableSensor, placementWorker } from "./placement-facts.ts";
import { PlacementSchedule } from "./placement-schedule.ts";
import { UnplacedSensors } from "./unplaced-sensors.ts";
import { placeWaitingSensors } from "./waiting-sensors.ts";

export interface SchedulerOptions extends LeaseRenewalOptions {
  /** How often to look at the rows, and to place sensors, without a hint. */
  readonly lookIntervalMs: number;
  /** Whether a sensor's process may still exist or its events may still be in flight. */
  readonly isRunning: (sensorId: Id) => boolean;
  /** Called when the worker's row has been refreshed. */
  readonly onRenewed: (lease: RenewedLease) => void;
  /** Called when the held set or a term in it has changed. */
  readonly onHeldChanged: () => void;
  /** Called on the placing worker when another worker has died or come back. */
  readonly onOthersChanged: () => void;
  readonly metrics: Pick<Metrics, "leasesLost">;
}

export class Scheduler {
  readonly #options: SchedulerOptions;
  readonly #renewal: LeaseRenewal;
  readonly #loop: WakeableLoop;
  /** Our assignments in the database, both held and leaving. */
  readonly #owned = new OwnedAssignments();
  #held: ReadonlyMap<Id, AssignmentTerm> = new Map();
  /** Those of our sensors that use no capacity. */
  #builtin: ReadonlySet<Id> = new Set();
  readonly #unplaced: UnplacedSensors;
  #isLookDue = true;
  #lookedAtMs = -Infinity;
  readonly #placements: PlacementSchedule;
  /** The worker that places sensors; null: this one, or not known yet. */
  #placer: string | null = null;
  #others: string | null = null;

  constructor(options: SchedulerOptions) {
    this.#options = options;
    const { renewalIntervalMs, onSuperseded, clock } = options;
    this.#placements = new PlacementSchedule(options, clock.monotonicMs());
    this.#unplaced = new UnplacedSensors(options);
    this.#renewal = new LeaseRenewal(options, {
      assignmentCount: () => this.#owned.all().size,
      onRenewed: (lease) => this.#noteRenewal(lease),
      onSuperseded: () => {
        this.#owned.forgetAll();
        this.#setHeld(new Map());
        onSuperseded();
      },
    });
    this.#loop = reportedLoop(
      {
        texts: {
          begins: "could not claim or release assignments; trying again",
          ends: "assignments are claimed and released again",
        },
        step: () => this.#step(),
        intervalMs: () => this.#restMs(),
        retry: { delayMsFirst: 250, delayMsMax: renewalIntervalMs },
      },
      options,
    );
  }

  /** The sensors to run, each with the term for storing its events. */
  held(): ReadonlyMap<Id, AssignmentTerm> {
    return this.#held;
  }

  /** How many of the sensors to run use this worker's capacity. */
  load(): number {
    return [...this.#held.keys()].filter((sensorId) => !this.#builtin.has(sensorId)).length;
  }

  /**
   * How many sensors should run and run nowhere, if this worker places sensors; otherwise 0, because its knowledge may be
   * old.
   */
  unplacedCount(): number {
    return this.#placements.isFirst ? this.#unplaced.count : 0;
  }

  /** Whether this worker's leases are alive, as far as it knows. */
  health(): PartHealth {
    return this.#renewal.health();
  }

  /** A hint that anything may have changed: definitions, assignments or workers. */
  wake(): void {
    this.#isLookDue = true;
    this.#wantPlacement();
    this.#loop.wake();
  }

  /** A hint that a sensor here has ended, or that this worker can run others than before. */
  wakeForOwn(): void {
    this.#isLookDue = true;
    this.#loop.wake();
  }

  /** @param instances comma-separated, of workers that got or lost sensors; undefined: any may have */
  noteAssignments(instances: string | undefined): void {
    if (instances?.split(",").includes(this.#options.instance) !== false) this.#isLookDue = true;
    // Also if none became free: the one that got a sensor may be dead, and its claim have come late.
    this.#wantPlacement();
    this.#loop.wake();
  }

  /** @param instance of a worker that began, ended or can run others than before; undefined: any may have */
  noteWorker(instance: string | undefined): void {
    if (instance === undefined || instance === this.#options.instance) this.#isLookDue = true;
    if (instance === undefined || instance === this.#placer) this.#renewal.wake();
    this.#wantPlacement();
    this.#loop.wake();
  }

  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#renewal.run(signal), this.#loop.run(signal)]);
  }

  /** Call when the service stops, after `run` has ended and every sensor has stopped. */
  async releaseAll(): Promise<void> {
    const sensorIds = [...this.#owned.all().keys()];
    this.#setHeld(new Map());
    if (sensorIds.length === 0) return;
    try {
      await this.#release(sensorIds);
    } catch (error) {
      if (classifyDatabaseError(error) === "defect") throw error;
      this.#options.logger.warn({ error }, "could not release the assignments; their leases will expire");
    }
  }

  #noteRenewal(lease: RenewedLease): void {
    const { isRenewed, assignments, rank, placer, others } = lease;
    if (isRenewed) this.#options.onRenewed(lease);
    if (assignments !== assignmentsDigest(this.#owned.all())) this.#isLookDue = true;
    const isNewRank = this.#placements.setRank(rank);
    const haveOthersChanged = others !== this.#others;
    if (isNewRank) this.#unplaced.forgetNote();
    this.#placer = placer;
    this.#others = others;
    if (isNewRank || haveOthersChanged) this.#wantPlacement();
    if (this.#placements.isFirst && (isNewRank || haveOthersChanged)) this.#options.onOthersChanged();
    this.#loop.wake();
  }

  #wantPlacement(): void {
    this.#placements.hint(this.#options.clock.monotonicMs());
  }

  async #step(): Promise<void> {
    const nowMs = this.#options.clock.monotonicMs();
    if (this.#isLookDue || this.#lookRestMs(nowMs) <= 0) await this.#look();
    if (this.#placements.restMs(nowMs) <= 0) await this.#place();
  }

  #restMs(): number {
    const nowMs = this.#options.clock.monotonicMs();
    return Math.max(1, Math.min(this.#lookRestMs(nowMs), this.#placements.restMs(nowMs)));
  }

  #lookRestMs(nowMs: number): number {
    return this.#lookedAtMs + this.#options.lookIntervalMs - nowMs;
  }

  /** Compares what this worker owns with the rows. */
  async #look(): Promise<void> {
    const { database, workerId, instance, clock } = this.#options;
    this.#isLookDue = false;
    try {
      const known = this.#owned.ask();
      const rows = await rowsOf(database, readOwnSensors, { instance });
      const worker = await rowOf(database, readWorker, { workerId, instance });
      this.#lookedAtMs = clock.monotonicMs();
      // Superseded: renewal finds out, too.
      if (worker === undefined) return;
      const lost = this.#owned.answer(
        known,
        rows.map(({ id, generation }) => ({ sensorId: id, generation })),
      );
      if (lost.length > 0) this.#reportLost(lost);
      const self = placementWorker({ id: workerId, ...worker });
      const wanted = rows.filter(({ isWanted }) => isWanted).map((row) => placeableSensor(row, workerId));
      const runnable = wanted.filter((sensor) => incapacity(sensor, self) === undefined);
      this.#builtin = new Set(runnable.filter(isBuiltin).map(({ id }) => id));
      await this.#hold(new Set(runnable.map(({ id }) => id)));
    } catch (error) {
      this.#isLookDue = true;
      throw error;
    }
  }

  /** @param runnable the sensors that should run and that this worker can run */
  async #hold(runnable: ReadonlySet<Id>): Promise<void> {
    const { instance, isRunning } = this.#options;
    const owned = this.#owned.all();
    this.#setHeld(
      new Map(
        [...owned]
          .filter(([sensorId]) => runnable.has(sensorId))
          .map(([sensorId, generation]) => [sensorId, { generation, instance }]),
      ),
    );
    const leaving = [...owned.keys()].filter((sensorId) => !runnable.has(sensorId) && !isRunning(sensorId));
    if (leaving.length > 0) await this.#release(leaving);
  }

  async #place(): Promise<void> {
    const { clock } = this.#options;
    this.#placements.begin();
    try {
      const round = await placeWaitingSensors(this.#options, this.#renewal);
      this.#placements.end(clock.monotonicMs(), round);
      this.#unplaced.report(round.unplaced);
      if (round.own.length > 0) {
        this.#owned.claimed(round.own);
        await this.#look();
      }
      await this.#unplaced.note();
    } catch (error) {
      this.#wantPlacement();
      throw error;
    }
  }

  #reportLost(sensorIds: readonly Id[]): void {
    const { metrics, logger } = this.#options;
    metrics.leasesLost(sensorIds.length);
    logger.warn(
      { sensor_ids: sensorIds },
      "lost assignments: their leases expired and other workers claimed them, or their sensors were deleted",
    );
  }

  async #release(sensorIds: readonly Id[]): Promise<void> {
    const { database, instance } = this.#options;
    this.#owned.startRelease(sensorIds);
    try {
      await rowsOf(database, releaseSensors, { instance, sensorIds });
    } finally {
      this.#owned.endRelease(sensorIds);
    }
  }

  #setHeld(held: ReadonlyMap<Id, AssignmentTerm>): void {
    const isSame =
      held.size === this.#held.size &&
      [...held].every(([sensorId, term]) => isSameTerm(this.#held.get(sensorId), term));
    this.#held = held;
    if (!isSame) this.#options.onHeldChanged();
  }
}
