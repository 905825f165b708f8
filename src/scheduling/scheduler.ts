/**
 * Which sensors this worker runs, and under what term.
 *
 * The model. An assignment in the database is, seen from this worker, in one of these states:
 *
 *   free ──claim──▶ held ──no longer wanted──▶ leaving ──sensor stopped, release──▶ free
 *                    │                            │
 *                    └───────── lost ◀────────────┘   (renewal no longer returns it)
 *
 *   held     ours, wanted, and this worker can run it: the sensors feature runs it
 *   leaving  ours, but disabled, without rules, or of a runtime no longer offered: the sensor is being
 *            stopped; the assignment is kept until it has, so that nobody starts a second one meanwhile
 *   lost     another instance claimed it after our lease expired, or it was deleted: stop at once; its events are
 *            refused by the store anyway, since the generation has moved
 *
 * Two loops, which never wait for each other. Renewal (lease-renewal.ts) keeps the leases alive and learns what was
 * lost. Placement, here, reads what should run, claims this worker's share, publishes the held set and releases what has
 * stopped. It may wait for the database as long as that takes: the leases live on. Each runs every
 * `renewalIntervalMs`, placement sooner on a hint.
 *
 * When a sensor is stopped. Only if the rows say that it is not to run here, or that somebody else has it. A lease that has
 * run out is no reason: as long as nobody has claimed the sensor, renewal makes its lease live again, and the
 * database, not this worker, knows whether somebody has. So this worker counts itself among the live ones,
 * whatever its row says of its lease, and goes on while the database does not answer: nobody else can
 * claim then either, and should the database be reachable for others only, the generation refuses our
 * writes; sensors run on and their events wait. By its own clock it only judges whether others may have taken over:
 * health says so from one lease after the last renewal on.
 *
 * When a lapsed assignment is claimed. Not while its holder may be as alive as this worker, after an outage for all or a
 * change of the database's clock (LeaseRenewal.sparesLapsed). What nobody holds is claimed at once.
 *
 * Invariants: `held` is a subset of what renewals and claims returned and no renewal has missed since; nothing is
 * released that `isRunning` still reports; a wanted sensor that nobody runs has a reason in `unplaced`.
 */
import { WakeableLoop } from "../concurrency/wakeable-loop.ts";
import { classifyDatabaseError } from "../database/errors.ts";
import { rowsOf } from "../database/statement.ts";
import { claimSensors, releaseSensors } from "../database/statements/assignments.ts";
import { backoffDelayMs } from "../model/sensors/backoff.ts";
import type { Id } from "../model/identifiers.ts";
import type { AssignmentTerm } from "../model/sensors/incoming-event.ts";
import { incapacity, place } from "../model/sensors/placement.ts";
import { OutageLog } from "../telemetry/outage-log.ts";
import type { PartHealth } from "../telemetry/part-health.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { LeaseRenewal, type LeaseRenewalOptions } from "./lease-renewal.ts";
import { OwnedAssignments } from "./owned-assignments.ts";
import { readPlacementFacts, type PlacementFacts } from "./placement-facts.ts";

export interface SchedulerOptions extends LeaseRenewalOptions {
  /** Whether a sensor's process may still be there or its events still be on their way. */
  readonly isRunning: (sensorId: Id) => boolean;
  /** The held set or a term in it has changed. */
  readonly onHeldChanged: () => void;
  readonly metrics: Pick<Metrics, "leasesLost">;
}

export class Scheduler {
  readonly #options: SchedulerOptions;
  readonly #renewal: LeaseRenewal;
  readonly #placement: WakeableLoop;
  /** What is ours in the database; held and leaving alike. */
  readonly #owned = new OwnedAssignments();
  #held: ReadonlyMap<Id, AssignmentTerm> = new Map();
  #unplaced: ReadonlyMap<Id, string> = new Map();

  constructor(options: SchedulerOptions) {
    this.#options = options;
    const { renewalIntervalMs, onSuperseded, clock, random } = options;
    this.#renewal = new LeaseRenewal(options, this.#owned, {
      onLost: (sensorIds) => this.#lose(sensorIds),
      onFound: () => this.wake(),
      onSuperseded: () => {
        this.#setHeld(new Map());
        onSuperseded();
      },
    });
    const outage = new OutageLog(
      {
        begins: "could not claim or release assignments; trying again",
        ends: "assignments are claimed and released again",
      },
      options,
    );
    this.#placement = new WakeableLoop({
      step: () => this.#place(),
      intervalMs: renewalIntervalMs,
      retryDelayMs: (failures) =>
        backoffDelayMs(failures, { delayMsFirst: 250, delayMsMax: renewalIntervalMs }, random()),
      onFailure: (error) => outage.failed({ error }),
      onRecovery: () => outage.recovered(),
      clock,
    });
  }

  /** The sensors to run, each under the term its events are stored with. */
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

  /** For the end of the service, after `run` has ended and every sensor has stopped. */
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
    // Stopped now, not after the reads of the next step.
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
      // Its rows it passes over when they are locked; a sensor that is being deleted it would wait for.
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

  /** Says once, and again when it changes, why a sensor that should run is run by nobody. */
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
