/**
 * Whether leases may have lapsed whose holders are alive.
 *
 * When a database comes back after longer than a lease, or its clock was set, every lease in it may have lapsed, although
 * all workers are alive and hold events that wait to be stored. Whoever looks first must not take the sensors of
 * the rest: those events would be refused.
 */
export interface Absence {
  /** Between the last two renewals that the database answered. */
  readonly absentMs: number;
  /** Whether it failed to answer in between. */
  readonly hasFailed: boolean;
  readonly leaseMs: number;
  readonly renewalIntervalMs: number;
}

/**
 * A lease that is renewed in time can lapse in an outage that is shorter by two intervals: one since its last
 * renewal, one until its holder tries again.
 */
export function mayHaveLapsedOthers({ absentMs, hasFailed, leaseMs, renewalIntervalMs }: Absence): boolean {
  // Without a failure it was a slow answer, or this process was frozen.
  return absentMs > (hasFailed ? leaseMs - 2 * renewalIntervalMs : leaseMs);
}

/** The database's clock, read at some moment between a question and its answer. */
export interface ClockReading {
  readonly databaseMs: number;
  /** On the monotonic clock of this process. */
  readonly askedAtMs: number;
  readonly answeredAtMs: number;
}

/**
 * By how much the database's clock was set between two readings: forward if positive. The least that explains both,
 * so 0 as long as slow answers may be the reason.
 */
export function clockJumpMs(before: ClockReading, after: ClockReading): number {
  // Each reading says that database time minus process time is between these two.
  const offsets = ({ databaseMs, askedAtMs, answeredAtMs }: ClockReading): readonly [number, number] => [
    databaseMs - answeredAtMs,
    databaseMs - askedAtMs,
  ];
  const [leastBefore, mostBefore] = offsets(before);
  const [leastAfter, mostAfter] = offsets(after);
  if (leastAfter > mostBefore) return leastAfter - mostBefore;
  if (mostAfter < leastBefore) return mostAfter - leastBefore;
  return 0;
}

/**
 * Whether a clock that was set by that much may have lapsed leases. One that is renewed in time has at least half its time
 * left, and one that ends up to two leases away is alive (database/statements/lease.ts).
 */
export function mayHaveMovedLeases(jumpMs: number, leaseMs: number): boolean {
  return Math.abs(jumpMs) > leaseMs / 4;
}
