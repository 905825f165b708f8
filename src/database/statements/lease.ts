/**
 * How every statement judges whether a lease is alive, by the database's clock.
 *
 * A lease that ends later than a full lease duration from now was granted before the clock was set back, and counts as
 * expired: a live holder would have renewed it since. Twice the duration is allowed, so that a clock that moves back a
 * little expires no lease. Workers of earlier versions do not store their lease duration; their leases are judged by
 * their end alone.
 */

/**
 * SQL that is true or false, never null.
 *
 * @param worker the name of the worker's row in the statement; an assignment lives as long as the lease of its worker
 * @param at `now()` where rows are only read, because a slow statement must not judge its snapshot by a later time;
 *   `clock_timestamp()` where the row is locked and so is current
 */
export function isLeaseAlive(worker: string, at: "now()" | "clock_timestamp()"): string {
  return `coalesce(${worker}.lease_expires_at > ${at}
             and (${worker}.lease_seconds is null
                  or ${worker}.lease_expires_at <= ${at} + 2 * make_interval(secs => ${worker}.lease_seconds)), false)`;
}
