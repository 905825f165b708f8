/**
 * Whether the others may have been cut off from the database together with this worker.
 *
 * When a database comes back after longer than a lease, every lease in it has lapsed, although all workers are
 * alive and hold events that wait to be stored. Whoever returns first must not take the sensors of the rest:
 * those events would be refused.
 */
export interface Absence {
  /** Between the last two answers of the database. */
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
