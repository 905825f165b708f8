/**
 * Decides which sensors this worker runs, and under which terms.
 *
 * From this worker's view, an assignment in the database has one of these states:
 *
 *   free ──claim──▶ held ──no longer wanted──▶ leaving ──sensor stopped, release──▶ free
 *                    │                            │
 *                    └───────── lost ◀────────────┘   (renewal no longer returns it)
 *
 *   held     ours, should run, and this worker can run it: the sensors feature runs it
 *   leaving  ours, but disabled, without rules, or its runtime is no longer offered: the sensor is being stopped. The
 *            assignment is kept until then, so that no other worker starts a second one meanwhile
 *   lost     another instance claimed it after our lease expired, or it was deleted: stop at once. Its events would be
 *            refused anyway, because the generation has changed
 *
 * Two loops never wait for each other. Renewal (lease-renewal.ts) keeps the leases alive and detects lost assignments.
 * Placement, here, reads which sensors should run, claims this worker's share, publishes the held set and releases
 * stopped sensors. It may wait for the database as long as it takes, because the leases stay alive. Each runs every
 * `renewalIntervalMs`; a hint runs placement sooner.
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
 * Invariants: `held` is a subset of the assignments that renewals and claims returned and no later renewal missed. No
 * assignment is released while `isRunning` reports its sensor. A sensor that should run but runs nowhere has a reason in
 * `unplaced`.
 */
import type { WakeableLoop } from "../concurrency/wakeable-loop.ts";
import { classifyDatabaseError } from "../database/errors.ts";
import { rowsOf } from "../database/statement.ts";
import { claimSensors, releaseSensors } from "../database/statements/assignments.ts";
import type { Id } from "../model/identifiers.ts";
import type { AssignmentTerm } from "../model/sensors/incoming-event.ts";
import { incapacity, place } from "../model/sensors/placement.ts";
import { reportedLoop } from "../telemetry/reported-loop.ts";
import type { PartHealth } from "../telemetry/part-health.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { LeaseRenewal, type LeaseRenewalOptions } from "./lease-renewal.ts";
import { OwnedAssignments } from "./owned-assignments.ts";
import { readPlacementFacts, type PlacementFacts } from "./placement-facts.ts";

export interface SchedulerOptions extends LeaseRenewalOptions {
  /** Whether a sensor's process may still exist or its events may still be in flight. */
  readonly isRunning: (sensorId: Id) => boolean;
  /** Called when the held set or a term in it has changed. */
  readonly onHeldChanged: () => void;
  readonly metrics: Pick<Metrics, "leasesLost">;
}

export class Scheduler {
  readonly #options: SchedulerOptions;
  readonly #renewal: LeaseRenewal;
  readonly #placement: WakeableLoop;
  /** Our assignments in the database, both held and leaving. */
  readonly #owned = new OwnedAssignments();
  #held: ReadonlyMap<Id, AssignmentTerm> = new Map();
  #unplaced: ReadonlyMap<Id, string> = new Map();

  constructor(options: SchedulerOptions) {
    this.#options = options;
    const { renewalIntervalMs, onSuperseded } = options;
    this.#renewal = new LeaseRenewal(options, this.#owned, {
      onLost: (sensorIds) => this.#lose(sensorIds),
      onFound: () => this.wake(),
      onSuperseded: () => {
        this.#setHeld(new Map());
        onSuperseded();
      },
    });
    this.#placement = reportedLoop(
      {
        texts: {
          begins: "could not claim or release assignments; trying again",
          ends: "assignments are claimed and released again",
        },
        step: () => this.#place(),
        intervalMs: renewalIntervalMs,
        retry: { delayMsFirst: 250, delayMsMax: renewalIntervalMs },
      },
      options,
    );
  }

  /** The sensors to run, each with the term for storing its events. */
  held(): ReadonlyMap<Id, AssignmentTerm> {
    return this.#held;
  }

  /** Whether this worker's leases are alive, as far as it knows. */
  health(): PartHealth {
    return this.#renewal.health();
  }

  wake(): void {
    this.#placement.wake();
  }

  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#renewal.run(signal), this.#placement.run(signal)]);
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

  async #place(): Promise<void> {
    const { database, workerId, clock } = this.#options;
    const askedAtMs = clock.monotonicMs();
    const facts = await readPlacementFacts(database, workerId);
    const answeredAtMs = clock.monotonicMs();
    if (facts.databaseMs !== undefined) {
      this.#renewal.observeClock({ databaseMs: facts.databaseMs, askedAtMs, answeredAtMs });
    }
    await this.#claimOwnShare(facts);

    const owned = this.#owned.all();
    const runnable = this.#runnable(facts);
    const heldNow = new Map(
      [...owned]
        .filter(([sensorId]) => runnable.has(sensorId))
        .map(([sensorId, generation]) => [sensorId, { generation, instance: this.#options.instance }]),
    );
    this.#setHeld(heldNow);
    const leaving = [...owned.keys()].filter(
      (sensorId) => !heldNow.has(sensorId) && !this.#options.isRunning(sensorId),
    );
    if (leaving.length > 0) await this.#release(leaving);
  }

  #lose(sensorIds: readonly Id[]): void {
    const { metrics, logger } = this.#options;
    metrics.leasesLost(sensorIds.length);
    logger.warn(
      { sensor_ids: sensorIds },
      "lost assignments: their leases expired and other workers claimed them, or their sensors were deleted",
    );
    // Stops them now, instead of after the reads of the next step.
    const owned = this.#owned.all();
    this.#setHeld(new Map([...this.#held].filter(([sensorId]) => owned.has(sensorId))));
  }

  async #claimOwnShare(facts: PlacementFacts): Promise<void> {
    const { database, workerId, instance, leaseSeconds } = this.#options;
    const { chosen, unplaced } = place(facts.sensors, facts.workers);
    this.#reportUnplaced(facts, unplaced);
    const sparesLapsed = this.#renewal.sparesLapsed();
    const sensorIds = [...chosen]
      .filter(([, chosenId]) => chosenId === workerId)
      .map(([sensorId]) => sensorId)
      .filter((sensorId) => !sparesLapsed || !facts.lapsed.has(sensorId));
    if (sensorIds.length === 0) return;

    const claimed = await database.transaction(async (transaction) => {
      // It skips locked assignments, but would wait for a sensor that is being deleted.
      await transaction.query({ text: "set local lock_timeout = '1s'" });
      return rowsOf(transaction, claimSensors, { workerId, instance, leaseSeconds, sensorIds });
    });
    this.#owned.claimed(claimed);
  }

  /** The sensors that should run and that this worker can run. */
  #runnable({ sensors, workers }: PlacementFacts): ReadonlySet<Id> {
    const self = workers.find(({ id }) => id === this.#options.workerId);
    if (self === undefined) return new Set();
    return new Set(sensors.filter((sensor) => incapacity(sensor, self) === undefined).map(({ id }) => id));
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
      [...held].every(([sensorId, term]) => this.#held.get(sensorId)?.generation === term.generation);
    this.#held = held;
    if (!isSame) this.#options.onHeldChanged();
  }

  /** Logs why a sensor that should run runs nowhere, once and again when the reason changes. */
  #reportUnplaced(facts: PlacementFacts, unplaced: ReadonlyMap<Id, readonly string[]>): void {
    const now = new Map<Id, string>();
    for (const sensor of facts.sensors) {
      const obstacles = unplaced.get(sensor.id);
      if (obstacles === undefined) continue;
      const reason = obstacles.join("; ");
      now.set(sensor.id, reason);
      if (this.#unplaced.get(sensor.id) === reason) continue;
      this.#options.logger.warn(
        { sensor_ref: sensor.ref, reason },
        `sensor ${sensor.ref} is not running: ${reason}`,
      );
    }
    this.#unplaced = now;
  }
}
