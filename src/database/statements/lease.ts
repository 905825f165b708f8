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
 * @param leased the row with `lease_expires_at`: a worker or an assignment
 * @param worker the row of the worker that holds it
 * @param at `now()` where rows are only read, because a slow statement must not judge its snapshot by a later time;
 *   `clock_timestamp()` where the row is locked and so is current
 */
export function isLeaseAlive(leased: string, worker: string, at: "now()" | "clock_timestamp()"): string {
  return `coalesce(${leased}.lease_expires_at > ${at}
             and (${worker}.lease_seconds is null
                  or ${leased}.lease_expires_at <= ${at} + 2 * make_interval(secs => ${worker}.lease_seconds)), false)`;
}
