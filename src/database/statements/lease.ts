/**
 * How every statement judges whether a lease is alive, by the database's clock.
 *
 * A lease that ends further away than leases of its worker last was made before the clock was set back, and has expired: its
 * holder would have renewed it since. Twice as far is allowed, so that a clock that moves back a little ends
 * nobody's lease. A worker of an earlier version does not say how long its leases last; they are
 * judged by their end alone.
 */

/**
 * SQL that is true or false, never null.
 *
 * @param leased what has `lease_expires_at`: a worker's row or an assignment's
 * @param worker the row of the worker that holds it
 * @param at `now()` where rows are only read: a slow statement must not judge what it saw at its start by the time
 *   at its end. `clock_timestamp()` where the row is locked and so is the newest
 */
export function isLeaseAlive(leased: string, worker: string, at: "now()" | "clock_timestamp()"): string {
  return `coalesce(${leased}.lease_expires_at > ${at}
             and (${worker}.lease_seconds is null
                  or ${leased}.lease_expires_at <= ${at} + 2 * make_interval(secs => ${worker}.lease_seconds)), false)`;
}
