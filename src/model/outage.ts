/**
 * Decides whether leases may have expired although their holders are alive.
 *
 * When a database returns after longer than a lease, or its clock was set, every lease in it may have expired, although
 * all workers are alive and hold events that wait to be stored. The first worker to look must not take over the
 * sensors of the others, because their events would then be refused.
 */
export interface Absence {
  /** Time between the last two renewals that the database answered. */
  readonly absentMs: number;
  /** Whether a renewal failed in between. */
  readonly hasFailed: boolean;
  readonly leaseMs: number;
  readonly renewalIntervalMs: number;
}

/**
 * A lease renewed on time can expire in an outage that is two intervals shorter than the lease: one interval since
 * its last renewal and one until its holder tries again.
 */
export function mayHaveLapsedOthers({ absentMs, hasFailed, leaseMs, renewalIntervalMs }: Absence): boolean {
  // Without a failure, the answer was slow or this process was frozen.
  return absentMs > (hasFailed ? leaseMs - 2 * renewalIntervalMs : leaseMs);
}

/** The database's clock, read at some moment between a query and its answer. */
export interface ClockReading {
  readonly databaseMs: number;
  /** On this process's monotonic clock. */
  readonly askedAtMs: number;
  readonly answeredAtMs: number;
}

/**
 * By how much the database's clock was set between two readings, positive if forward. This is the smallest jump that
 * explains both readings, so 0 if slow answers can explain the difference.
 */
export function clockJumpMs(before: ClockReading, after: ClockReading): number {
  // Each reading bounds the offset of database time from process time.
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
 * Whether setting the clock by this much may have expired leases. A lease renewed on time has at least half its time
 * left, and one that ends up to two leases in the future counts as valid (database/statements/lease.ts).
 */
export function mayHaveMovedLeases(jumpMs: number, leaseMs: number): boolean {
  return Math.abs(jumpMs) > leaseMs / 4;
}
