/**
 * A worker's row: registered at start, refreshed while the worker runs, retired when it stops.
 *
 * Every write is conditional on `instance`, so a process that was superseded changes nothing.
 */
import type { Id } from "../../model/identifiers.ts";
import type { JsonObject } from "../../model/json/json.ts";
import type { Statement } from "../statement.ts";
import { isLeaseAlive } from "./lease.ts";

export interface NameHolder {
  /** Another process holds a live lease on the row, or an action worker refreshed it recently. */
  readonly isAlive: boolean;
  readonly role: "action" | "sensor" | "hybrid";
  readonly host: string | null;
  readonly pid: string | null;
  /** RFC 3339, as written by its process. */
  readonly startedAt: string | null;
}

/**
 * Reads the holder of a name and locks its row until the transaction ends, so that of two processes that register under
 * one name, the later one sees what the earlier one wrote.
 */
export const lockNameHolder: Statement<
  { readonly name: string; readonly instance: string; readonly staleAfterSeconds: number },
  NameHolder
> = {
  name: "lock_worker_name_holder",
  text: `
    select worker_role::text as role, host, meta ->> 'pid' as pid, meta ->> 'started' as started,
           case when worker_role = 'action'
                then status in ('active', 'busy')
                     and coalesce(last_heartbeat, updated)
                         between clock_timestamp() - make_interval(secs => $2)
                             and clock_timestamp() + make_interval(secs => $2)
                else ${isLeaseAlive("worker", "clock_timestamp()")}
                     and instance is distinct from $3
           end as is_alive
      from worker
     where name = $1
       for update`,
  values: ({ name, staleAfterSeconds, instance }) => [name, staleAfterSeconds, instance],
  decode: (row) => ({
    isAlive: row.boolean("is_alive"),
    role: row.word("role", ["action", "sensor", "hybrid"]),
    host: row.textOrNull("host"),
    pid: row.textOrNull("pid"),
    startedAt: row.textOrNull("started"),
  }),
};

export interface WorkerRegistration {
  readonly name: string;
  readonly type: "local" | "remote" | "container";
  readonly host: string;
  readonly port: number | null;
  readonly capabilities: JsonObject;
  readonly meta: JsonObject;
  readonly instance: string;
  readonly leaseSeconds: number;
}

/** Makes the row with this name the process's own. `lockNameHolder` must have shown before that it may. */
export const registerWorker: Statement<WorkerRegistration, { readonly id: Id }> = {
  name: "register_worker",
  text: `
    insert into worker (name, worker_type, worker_role, host, port, status, capabilities, meta,
                        last_heartbeat, instance, lease_expires_at, lease_seconds)
    values ($1, $2::text::worker_type_enum, 'sensor', $3, $4, 'active', $5::jsonb, $6::jsonb,
            clock_timestamp(), $7, clock_timestamp() + make_interval(secs => $8), $8)
    on conflict (name) do update
       set worker_type = excluded.worker_type,
           worker_role = excluded.worker_role,
           host = excluded.host,
           port = excluded.port,
           status = excluded.status,
           capabilities = excluded.capabilities,
           meta = excluded.meta,
           last_heartbeat = excluded.last_heartbeat,
           instance = excluded.instance,
           lease_expires_at = excluded.lease_expires_at,
           lease_seconds = excluded.lease_seconds
    returning id`,
  values: ({ name, type, host, port, capabilities, meta, instance, leaseSeconds }) => [
    name,
    type,
    host,
    port,
    JSON.stringify(capabilities),
    JSON.stringify(meta),
    instance,
    leaseSeconds,
  ],
  decode: (row) => ({ id: row.id("id") }),
};

export interface WorkerOwner {
  readonly workerId: Id;
  readonly instance: string;
}

/** Records that the worker is alive, even after others marked it inactive. Returns no row if it lost its row. */
export const refreshWorker: Statement<WorkerOwner, { readonly id: Id }> = {
  name: "refresh_worker",
  text: `
    update worker
       set last_heartbeat = clock_timestamp(),
           status = 'active'
     where id = $1
       and instance = $2
    returning id`,
  values: ({ workerId, instance }) => [workerId, instance],
  decode: (row) => ({ id: row.id("id") }),
};

export const updateWorkerCapabilities: Statement<
  WorkerOwner & { readonly capabilities: JsonObject },
  { readonly id: Id }
> = {
  name: "update_worker_capabilities",
  text: `
    update worker
       set capabilities = $3::jsonb
     where id = $1
       and instance = $2
    returning id`,
  values: ({ workerId, instance, capabilities }) => [workerId, instance, JSON.stringify(capabilities)],
  decode: (row) => ({ id: row.id("id") }),
};

/** Releases the name. Without a lease it is free immediately. */
export const retireWorker: Statement<WorkerOwner, { readonly id: Id }> = {
  name: "retire_worker",
  text: `
    update worker
       set status = 'inactive',
           lease_expires_at = null
     where id = $1
       and instance = $2
    returning id`,
  values: ({ workerId, instance }) => [workerId, instance],
  decode: (row) => ({ id: row.id("id") }),
};

export interface StaleWorker {
  readonly name: string;
  readonly host: string | null;
}

/**
 * Marks sensor workers inactive that have neither a live lease nor a recent heartbeat. Both, because a worker of
 * another version may have only one of them. A heartbeat far in the future is from before the clock was set back.
 * Action workers are not judged here.
 *
 * Skips locked rows: they are being refreshed, or marked by another agent.
 */
export const markStaleWorkers: Statement<{ readonly staleAfterSeconds: number }, StaleWorker> = {
  name: "mark_stale_workers",
  text: `
    with stale as (
      select id
        from worker
       where worker_role in ('sensor', 'hybrid')
         and status in ('active', 'busy')
         and not ${isLeaseAlive("worker", "clock_timestamp()")}
         and coalesce(last_heartbeat, updated)
             not between clock_timestamp() - make_interval(secs => $1)
                     and clock_timestamp() + make_interval(secs => $1)
       order by id
         for update skip locked
    )
    update worker
       set status = 'inactive'
      from stale
     where worker.id = stale.id
    returning worker.name, worker.host`,
  values: ({ staleAfterSeconds }) => [staleAfterSeconds],
  decode: (row) => ({ name: row.text("name"), host: row.textOrNull("host") }),
};
