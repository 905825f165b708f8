/**
 * Keeps this worker's leases alive, in its own loop, so that it waits for nothing slow that this worker does. Its statement
 * does not wait for locks either (database/statements/lease-renewals.ts).
 *
 * Each answer also says what this worker has to know at rest: whether its assignments are still the ones it knows, which
 * worker places sensors, and when the first of the leases ends that it watches. If that is before the next renewal, it looks
 * again at that moment. So the end of a lease is noticed within a fraction of a second, by one statement.
 *
 * It also knows whether other workers' leases may have expired through no fault of theirs: in an outage that this worker
 * shared, or because the clock was set. For the duration of a lease after that, `sparesLapsed` tells the scheduler not to
 * take over their sensors (model/outage.ts).
 */
import { WakeableLoop } from "../concurrency/wakeable-loop.ts";
import type { Database } from "../database/database.ts";
import { rowOf } from "../database/statement.ts";
import { renewLeases, type RenewedLease } from "../database/statements/lease-renewals.ts";
import { backoffDelayMs } from "../model/sensors/backoff.ts";
import type { Id } from "../model/identifiers.ts";
import { clockJumpMs, mayHaveLapsedOthers, mayHaveMovedLeases, type ClockReading } from "../model/outage.ts";
import { counted } from "../model/texts/counted.ts";
import type { Logger } from "../telemetry/logger.ts";
import { OutageLog } from "../telemetry/outage-log.ts";
import type { PartHealth } from "../telemetry/part-health.ts";
import type { Clock } from "../time/clock.ts";

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
  readonly assignmentCount: () => number;
  readonly onRenewed: (lease: RenewedLease) => void;
  readonly onSuperseded: () => void;
}

/** Short, because rows are locked only briefly and other workers look for expired leases at every interval. */
const lockedRetryMs = 100;
/** After the end of a lease: enough for it to have ended by every clock that is read on the way. */
const endMarginMs = 20;
/** When the placing worker dies, all others look which of them is the next. */
const spreadMs = 300;

class LockedRowError extends Error {
  override readonly name = "LockedRowError";
}

export class LeaseRenewal {
  readonly #options: LeaseRenewalOptions;
  readonly #observer: RenewalObserver;
  readonly #loop: WakeableLoop;
  #renewedAtMs: number | undefined;
  /** Whether the database has failed to answer since. */
  #hasFailed = false;
  #wasRowLocked = false;
  #clockReading: ClockReading | undefined;
  #sparesLapsedUntilMs = -Infinity;
  /** When to look again although the lease need not be renewed yet. */
  #watchedEndMs = Infinity;

  constructor(options: LeaseRenewalOptions, observer: RenewalObserver) {
    this.#options = options;
    this.#observer = observer;
    const { renewalIntervalMs, clock, random } = options;
    const outage = new OutageLog(
      { begins: "could not renew the leases; trying again", ends: "leases are renewed again" },
      options,
    );
    this.#loop = new WakeableLoop({
      step: () => this.#renew(),
      intervalMs: () =>
        Math.min(renewalIntervalMs, Math.max(this.#watchedEndMs - clock.monotonicMs(), endMarginMs)),
      retryDelayMs: (failures) =>
        this.#wasRowLocked
          ? Math.min(lockedRetryMs, renewalIntervalMs)
          : backoffDelayMs(failures, { delayMsFirst: 250, delayMsMax: renewalIntervalMs }, random()),
      onFailure: (error) => {
        this.#wasRowLocked = error instanceof LockedRowError;
        this.#hasFailed ||= !this.#wasRowLocked;
        outage.failed({ error });
      },
      onRecovery: () => outage.recovered(),
      clock,
    });
  }

  async run(signal: AbortSignal): Promise<void> {
    await this.#loop.run(signal);
  }

  /** Renews now, to learn what has changed. */
  wake(): void {
    this.#loop.wake();
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
      ? `${counted(this.#observer.assignmentCount(), "assignment")} held`
      : "the leases could not be renewed in time; others may take the sensors over";
    return { state: isAlive ? "up" : "down", detail, checkedAtMs: renewedAtMs };
  }

  /** Whether to leave expired assignments to their holders, which may be as alive as this worker. */
  sparesLapsed(): boolean {
    return this.#options.clock.monotonicMs() < this.#sparesLapsedUntilMs || this.#wasAbsent();
  }

  async #renew(): Promise<void> {
    const { database, workerId, instance, leaseSeconds, clock } = this.#options;
    const askedAtMs = clock.monotonicMs();
    const lease = await rowOf(database.reserved, renewLeases, { workerId, instance, leaseSeconds });
    if (lease === undefined) {
      this.#observer.onSuperseded();
      return;
    }
    const answeredAtMs = clock.monotonicMs();
    this.observeClock({ databaseMs: lease.databaseMs, askedAtMs, answeredAtMs });
    if (this.#wasAbsent()) this.#spareLapsed();
    this.#hasFailed = false;
    const spread = lease.placer === null ? 0 : this.#options.random() * spreadMs;
    this.#watchedEndMs = answeredAtMs + (lease.firstEndMs ?? Infinity) + endMarginMs + spread;
    // The lease began after the request was sent.
    if (lease.isRenewed) this.#renewedAtMs = askedAtMs;
    this.#observer.onRenewed(lease);
    if (!lease.isRenewed) throw new LockedRowError("another session has locked the row of the worker");
  }

  /** Called with every answer that judges leases, before anything is done about those that have expired. */
  observeClock(reading: ClockReading): void {
    const before = this.#clockReading;
    this.#clockReading = reading;
    if (before === undefined) return;
    const jumpMs = clockJumpMs(before, reading);
    if (!mayHaveMovedLeases(jumpMs, this.#options.leaseSeconds * 1_000)) return;
    this.#spareLapsed();
    this.#options.logger.warn(
      { jump_seconds: Math.round(jumpMs / 100) / 10 },
      "the database's clock was set; leaving expired assignments to their holders for one lease duration",
    );
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
