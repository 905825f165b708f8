/** A worker renews its lease, and with it those of all its assignments. Each renewal is also a heartbeat. */
import type { Id } from "../../model/identifiers.ts";
import type { Statement } from "../statement.ts";
import type { WorkerTerm } from "./assignments.ts";
import { isLive } from "./sensor-workers.ts";

/** Workers of higher ranks do not place sensors on a hint. */
export const ranksMax = 3;

export interface RenewedLease {
  /** False if another session has locked the worker's row. */
  readonly isRenewed: boolean;
  /** Of the assignments that this instance has; see `assignmentsDigest`. */
  readonly assignments: string;
  /** How many workers come before this one in placing sensors, up to `ranksMax`. */
  readonly rank: number;
  /** The instance of the worker that places sensors; null if it is the asking one. */
  readonly placer: string | null;
  /** Which other workers are alive, as a text that changes with them; only for the placing worker. */
  readonly others: string | null;
  /** Milliseconds until the first lease ends that this worker has to watch; null if there is none. */
  readonly firstEndMs: number | null;
  /** The database's clock, in milliseconds. */
  readonly databaseMs: number;
}

/**
 * Renews the worker's lease, and with it those of its assignments. Returns no row if the worker's row now belongs to
 * another instance.
 *
 * An expired lease is renewed too: until another worker claims the sensor, its holder may keep running it. A claim
 * changes the instance, and then the assignment is not this worker's any more. A worker that others marked inactive becomes
 * active again with its lease; otherwise no worker would count as able to run its sensors.
 *
 * It writes one row, and reads its own assignments from an index. A locked row is passed over and reported.
 *
 * The worker with the lowest id that is alive and has room places sensors for all. It watches the leases of all others;
 * the others watch its lease only, and so read only its row.
 */
export const renewLeases: Statement<WorkerTerm & { readonly leaseSeconds: number }, RenewedLease> = {
  name: "renew_leases",
  text: `
    with free as materialized (
      select id
        from worker
       where id = $1
         and instance = $2
         for no key update skip locked
    ), renewed as (
      update worker
         set lease_expires_at = clock_timestamp() + make_interval(secs => $3),
             lease_seconds = $3,
             last_heartbeat = clock_timestamp(),
             status = 'active'
       where id = (select id from free)
      returning id
    ), ahead as materialized (
      select other.id, other.instance, other.lease_expires_at
        from worker as other
       where (other.id < $1 or (other.id > $1 and (select ${isWithdrawn("own")} from worker as own where own.id = $1)))
         and ${isLive("other")}
         and not ${isWithdrawn("other")}
       order by other.id
       limit ${ranksMax}
    ), placer as (
      select instance, lease_expires_at
        from ahead
       order by id
       limit 1
    ), others as (
      select concat_ws(' ', count(*), sum(other.id)) as digest, min(other.lease_expires_at) as first_end
        from worker as other
       where other.id <> $1
         and ${isLive("other")}
         and not exists (select from ahead)
    )
    select exists (select from renewed) as is_renewed,
           (select concat_ws(' ', count(*), sum(sensor), sum(generation))
              from sensor_assignment
             where instance = $2) as assignments,
           (select count(*)::int from ahead) as rank,
           placer.instance as placer,
           case when placer.instance is null then others.digest end as others,
           extract(epoch from coalesce(placer.lease_expires_at, others.first_end) - now())::double precision * 1000
             as first_end_ms,
           extract(epoch from now())::double precision * 1000 as database_ms
      from worker as own
      left join placer on true
     cross join others
     where own.id = $1
       and own.instance = $2`,
  values: ({ workerId, instance, leaseSeconds }) => [workerId, instance, leaseSeconds],
  decode: (row) => ({
    isRenewed: row.boolean("is_renewed"),
    assignments: row.text("assignments"),
    rank: row.number("rank"),
    placer: row.textOrNull("placer"),
    others: row.textOrNull("others"),
    firstEndMs: row.numberOrNull("first_end_ms"),
    databaseMs: row.number("database_ms"),
  }),
};

/** SQL for workers that take no sensors, and so place none. */
function isWithdrawn(worker: string): string {
  return `coalesce(${worker}.capabilities, '{}') @> '{"max_concurrent_sensors": 0}'`;
}

/** Tells whether two sets of assignments are the same: generations come from the clock and do not repeat. */
export function assignmentsDigest(generations: ReadonlyMap<Id, Id>): string {
  if (generations.size === 0) return "0";
  return `${generations.size} ${sumOf(generations.keys())} ${sumOf(generations.values())}`;
}

function sumOf(numbers: Iterable<Id>): bigint {
  return [...numbers].reduce((sum, next) => sum + BigInt(next), 0n);
}
