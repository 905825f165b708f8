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
 *   lost     another instance claimed it after our lease expired: stop at once; its events are refused
 *            by the store anyway, since the generation has moved
 *
 * One loop does everything: renew, read, claim, publish the held set, release. It runs every
 * `renewalIntervalMs` and sooner on a hint. While the database is away it changes nothing: nobody else
 * can claim either, and should the database be reachable for others only, the generation refuses our
 * writes; so sensors run on and their events wait. When it comes back, every lease in it may have lapsed. A worker
 * that was away itself then leaves lapsed assignments to their holders for the time of a lease: they are as alive as
 * it is, and what waits there would be refused (model/outage.ts). It takes others, that nobody holds, at once.
 *
 * Invariants: `held` is a subset of what the last successful renewal or claim returned; nothing is
 * released that `isRunning` still reports; a wanted sensor that nobody runs has a reason in `unplaced`.
 */
import { WakeableLoop } from "../concurrency/wakeable-loop.ts";
import type { Database } from "../database/database.ts";
import { classifyDatabaseError } from "../database/errors.ts";
import { rowsOf } from "../database/statement.ts";
import { claimSensors, releaseSensors, renewLeases } from "../database/statements/assignments.ts";
import { backoffDelayMs } from "../model/backoff.ts";
import type { Id } from "../model/identifiers.ts";
import type { AssignmentTerm } from "../model/incoming-event.ts";
import { mayHaveLapsedOthers } from "../model/outage.ts";
import { incapacity, place } from "../model/placement.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { PartHealth } from "../telemetry/part-health.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { Clock } from "../time/clock.ts";
import { readPlacementFacts, type PlacementFacts } from "./placement-facts.ts";

export interface SchedulerOptions {
  readonly database: Database;
  readonly workerId: Id;
  readonly instance: string;
  readonly leaseSeconds: number;
  readonly renewalIntervalMs: number;
  /** Whether a sensor's process may still be there or its events still be on their way. */
  readonly isRunning: (sensorId: Id) => boolean;
  /** The held set or a term in it has changed. */
  readonly onHeldChanged: () => void;
  /** The worker's row belongs to another process: this one must end. */
  readonly onSuperseded: () => void;
  readonly metrics: Pick<Metrics, "leasesLost">;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: () => number;
}

export class Scheduler {
  readonly #options: SchedulerOptions;
  readonly #loop: WakeableLoop;
  /** What is ours in the database, by sensor; held and leaving alike. */
  #owned: ReadonlyMap<Id, AssignmentTerm> = new Map();
  #held: ReadonlyMap<Id, AssignmentTerm> = new Map();
  #unplaced: ReadonlyMap<Id, string> = new Map();
  #renewedAtMs: number | undefined;
  /** Whether a step has failed since. */
  #hasFailed = false;
  #leavesLapsedUntilMs = -Infinity;

  constructor(options: SchedulerOptions) {
    this.#options = options;
    const { renewalIntervalMs, clock, random, logger } = options;
    this.#loop = new WakeableLoop({
      step: () => this.#step(),
      intervalMs: renewalIntervalMs,
      retryDelayMs: (failures) =>
        backoffDelayMs(failures, { delayMsFirst: 250, delayMsMax: renewalIntervalMs }, random()),
      onFailure: (error, failures) => {
        this.#hasFailed = true;
        if (failures === 1) logger.warn({ error }, "could not renew or claim assignments; trying again");
      },
      clock,
    });
  }

  /** The sensors to run, each under the term its events are stored with. */
  held(): ReadonlyMap<Id, AssignmentTerm> {
    return this.#held;
  }

  /** Whether this worker's leases are alive, as far as it knows. */
  health(): PartHealth {
    const { clock, leaseSeconds } = this.#options;
    const renewedAtMs = this.#renewedAtMs;
    if (renewedAtMs === undefined) {
      return { state: "starting", detail: "no lease has been renewed yet", checkedAtMs: clock.monotonicMs() };
    }
    const isAlive = clock.monotonicMs() - renewedAtMs <= leaseSeconds * 1_000;
    const detail = isAlive
      ? `${this.#owned.size} assignments held`
      : "the leases could not be renewed in time; others may take the sensors over";
    return { state: isAlive ? "up" : "down", detail, checkedAtMs: renewedAtMs };
  }

  wake(): void {
    this.#loop.wake();
  }

  async run(signal: AbortSignal): Promise<void> {
    await this.#loop.run(signal);
  }

  /** For the end of the service, after `run` has ended and every sensor has stopped. */
  async releaseAll(): Promise<void> {
    const sensorIds = [...this.#owned.keys()];
    this.#owned = new Map();
    this.#setHeld(new Map());
    if (sensorIds.length === 0) return;
    try {
      await this.#release(sensorIds);
    } catch (error) {
      if (classifyDatabaseError(error) === "defect") throw error;
      this.#options.logger.warn(
        { error },
        "could not release the assignments; their leases run out by themselves",
      );
    }
  }

  async #step(): Promise<void> {
    if (!(await this.#renew())) {
      this.#owned = new Map();
      this.#setHeld(new Map());
      this.#options.onSuperseded();
      return;
    }
    const facts = await readPlacementFacts(this.#options.database);
    await this.#claimOwnShare(facts);

    const heldNow = new Map([...this.#owned].filter(([sensorId]) => this.#canRun(sensorId, facts)));
    this.#setHeld(heldNow);
    const leaving = [...this.#owned.keys()].filter(
      (sensorId) => !heldNow.has(sensorId) && !this.#options.isRunning(sensorId),
    );
    if (leaving.length > 0) await this.#release(leaving);
  }

  async #renew(): Promise<boolean> {
    const { database, workerId, instance, leaseSeconds, metrics, logger, clock } = this.#options;
    const askedAtMs = clock.monotonicMs();
    const renewed = await rowsOf(database, renewLeases, { workerId, instance, leaseSeconds });
    if (renewed.length === 0) return false;
    this.#judgeAbsence();
    // The lease counts from some moment after the question.
    this.#renewedAtMs = askedAtMs;

    const owned = new Map<Id, AssignmentTerm>();
    for (const { sensorId, generation } of renewed) {
      if (sensorId !== null && generation !== null) owned.set(sensorId, { generation, instance });
    }
    const lost = [...this.#owned.keys()].filter((sensorId) => !owned.has(sensorId));
    if (lost.length > 0) {
      metrics.leasesLost(lost.length);
      logger.warn(
        { sensor_ids: lost },
        "lost assignments: their leases expired and they were claimed or deleted",
      );
    }
    this.#owned = owned;
    // A lost sensor is stopped now, not after the reads that follow.
    this.#setHeld(new Map([...this.#held].filter(([sensorId]) => owned.has(sensorId))));
    return true;
  }

  #judgeAbsence(): void {
    const { leaseSeconds, renewalIntervalMs, clock } = this.#options;
    const nowMs = clock.monotonicMs();
    const absence = {
      absentMs: nowMs - (this.#renewedAtMs ?? nowMs),
      hasFailed: this.#hasFailed,
      leaseMs: leaseSeconds * 1_000,
      renewalIntervalMs,
    };
    this.#hasFailed = false;
    if (mayHaveLapsedOthers(absence)) this.#leavesLapsedUntilMs = nowMs + absence.leaseMs;
  }

  async #claimOwnShare(facts: PlacementFacts): Promise<void> {
    const { database, workerId, instance, leaseSeconds, clock } = this.#options;
    const { chosen, unplaced } = place(facts.sensors, facts.workers);
    this.#reportUnplaced(facts, unplaced);
    const leavesLapsed = clock.monotonicMs() < this.#leavesLapsedUntilMs;
    const sensorIds = [...chosen]
      .filter(([, chosenId]) => chosenId === workerId)
      .map(([sensorId]) => sensorId)
      .filter((sensorId) => !leavesLapsed || !facts.lapsed.has(sensorId));
    if (sensorIds.length === 0) return;

    const claimed = await rowsOf(database, claimSensors, { workerId, instance, leaseSeconds, sensorIds });
    const owned = new Map(this.#owned);
    for (const { sensorId, generation } of claimed) owned.set(sensorId, { generation, instance });
    this.#owned = owned;
  }

  #canRun(sensorId: Id, facts: PlacementFacts): boolean {
    const sensor = facts.sensors.find(({ id }) => id === sensorId);
    const self = facts.workers.find(({ id }) => id === this.#options.workerId);
    return sensor !== undefined && self !== undefined && incapacity(sensor, self) === undefined;
  }

  async #release(sensorIds: readonly Id[]): Promise<void> {
    const { database, instance } = this.#options;
    await rowsOf(database, releaseSensors, { instance, sensorIds });
    this.#owned = new Map([...this.#owned].filter(([sensorId]) => !sensorIds.includes(sensorId)));
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
