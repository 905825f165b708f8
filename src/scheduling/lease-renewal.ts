/**
 * Keeps this worker's leases alive, in its own loop and on its own connection, so that it waits for nothing else that this
 * worker does. Its statement does not wait for locks either (database/statements/assignments.ts).
 *
 * It also knows whether other workers' leases may have expired through no fault of theirs: in an outage that this worker
 * shared, or because the clock was set. For the duration of a lease after that, `sparesLapsed` tells the scheduler not to
 * take over their sensors (model/outage.ts).
 */
import { WakeableLoop } from "../concurrency/wakeable-loop.ts";
import type { Database } from "../database/database.ts";
import { rowsOf } from "../database/statement.ts";
import { renewLeases, type RenewedAssignment } from "../database/statements/assignments.ts";
import { backoffDelayMs } from "../model/sensors/backoff.ts";
import type { Id } from "../model/identifiers.ts";
import { clockJumpMs, mayHaveLapsedOthers, mayHaveMovedLeases, type ClockReading } from "../model/outage.ts";
import type { Logger } from "../telemetry/logger.ts";
import { OutageLog } from "../telemetry/outage-log.ts";
import type { PartHealth } from "../telemetry/part-health.ts";
import type { Clock } from "../time/clock.ts";
import type { OwnedAssignments } from "./owned-assignments.ts";

export interface LeaseRenewalOptions {
  readonly database: Database;
  readonly workerId: Id;
  readonly instance: string;
  readonly leaseSeconds: number;
  readonly renewalIntervalMs: number;
  /** Called when the worker's row belongs to another process, so this one must stop. */
  readonly onSuperseded: () => void;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: () => number;
}

/** Called with the result of a renewal. */
export interface RenewalObserver {
  readonly onLost: (sensorIds: readonly Id[]) => void;
  readonly onFound: (sensorIds: readonly Id[]) => void;
  readonly onSuperseded: () => void;
}

/** Short, because rows are locked only briefly and other workers look for expired leases at every interval. */
const lockedRetryMs = 100;

class LockedRowsError extends Error {
  override readonly name = "LockedRowsError";
}

export class LeaseRenewal {
  readonly #options: LeaseRenewalOptions;
  readonly #owned: OwnedAssignments;
  readonly #observer: RenewalObserver;
  readonly #loop: WakeableLoop;
  #renewedAtMs: number | undefined;
  /** Whether the database has failed to answer since. */
  #hasFailed = false;
  #wereRowsLocked = false;
  #clockReading: ClockReading | undefined;
  #sparesLapsedUntilMs = -Infinity;

  constructor(options: LeaseRenewalOptions, owned: OwnedAssignments, observer: RenewalObserver) {
    this.#options = options;
    this.#owned = owned;
    this.#observer = observer;
    const { renewalIntervalMs, clock, random } = options;
    const outage = new OutageLog(
      { begins: "could not renew the leases; trying again", ends: "leases are renewed again" },
      options,
    );
    this.#loop = new WakeableLoop({
      step: () => this.#renew(),
      intervalMs: renewalIntervalMs,
      retryDelayMs: (failures) =>
        this.#wereRowsLocked
          ? Math.min(lockedRetryMs, renewalIntervalMs)
          : backoffDelayMs(failures, { delayMsFirst: 250, delayMsMax: renewalIntervalMs }, random()),
      onFailure: (error) => {
        this.#wereRowsLocked = error instanceof LockedRowsError;
        this.#hasFailed ||= !this.#wereRowsLocked;
        outage.failed({ error });
      },
      onRecovery: () => outage.recovered(),
      clock,
    });
  }

  async run(signal: AbortSignal): Promise<void> {
    await this.#loop.run(signal);
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
      ? `${this.#owned.all().size} assignments held`
      : "the leases could not be renewed in time; others may take the sensors over";
    return { state: isAlive ? "up" : "down", detail, checkedAtMs: renewedAtMs };
  }

  /** Whether to leave expired assignments to their holders, which may be as alive as this worker. */
  sparesLapsed(): boolean {
    return this.#options.clock.monotonicMs() < this.#sparesLapsedUntilMs || this.#wasAbsent();
  }

  /** Called with every answer that includes the database's time. */
  observeClock(reading: ClockReading): void {
    const before = this.#clockReading;
    this.#clockReading = reading;
    if (before === undefined) return;
    const jumpMs = clockJumpMs(before, reading);
    if (!mayHaveMovedLeases(jumpMs, this.#options.leaseSeconds * 1_000)) return;
    this.#spareLapsed();
    this.#options.logger.warn(
      { jump_seconds: Math.round(jumpMs / 100) / 10 },
      "the database's clock was set; leaving lapsed assignments to their holders for the time of a lease",
    );
  }

  async #renew(): Promise<void> {
    const { database, workerId, instance, leaseSeconds, clock } = this.#options;
    const askedAtMs = clock.monotonicMs();
    const question = this.#owned.ask();
    const renewed = await rowsOf(database.reserved, renewLeases, { workerId, instance, leaseSeconds });
    const [first] = renewed;
    if (first === undefined) {
      this.#owned.forgetAll();
      this.#observer.onSuperseded();
      return;
    }
    this.observeClock({ databaseMs: first.databaseMs, askedAtMs, answeredAtMs: clock.monotonicMs() });
    if (this.#wasAbsent()) this.#spareLapsed();
    this.#hasFailed = false;

    const { lost, found } = this.#owned.answer(question, renewed.filter(isAssignment));
    if (lost.length > 0) this.#observer.onLost(lost);
    if (found.length > 0) this.#observer.onFound(found);

    const locked = renewed.filter((each) => isAssignment(each) && !each.isRenewed).length;
    if (locked > 0 || !first.isWorkerRenewed) {
      throw new LockedRowsError(
        `another session has locked the rows of ${locked} assignments${first.isWorkerRenewed ? "" : " and of the worker"}`,
      );
    }
    // The lease began after the request was sent.
    this.#renewedAtMs = askedAtMs;
  }

  #wasAbsent(): boolean {
    const { leaseSeconds, renewalIntervalMs, clock } = this.#options;
    const nowMs = clock.monotonicMs();
    return mayHaveLapsedOthers({
      absentMs: nowMs - (this.#renewedAtMs ?? nowMs),
      hasFailed: this.#hasFailed,
      leaseMs: leaseSeconds * 1_000,
      renewalIntervalMs,
    });
  }

  #spareLapsed(): void {
    const { clock, leaseSeconds } = this.#options;
    this.#sparesLapsedUntilMs = clock.monotonicMs() + leaseSeconds * 1_000;
  }
}

type RenewedSensor = RenewedAssignment & { readonly sensorId: Id; readonly generation: Id };

function isAssignment(row: RenewedAssignment): row is RenewedSensor {
  return row.sensorId !== null && row.generation !== null;
}
