/**
 * Rows that tests of the service's parts need, made by plain SQL as an operator would.
 */
import type { Queryable } from "../../src/database/database.ts";
import type { Id } from "../../src/model/identifiers.ts";

export async function query<Row extends object>(
  database: Queryable,
  text: string,
  values: unknown[] = [],
): Promise<Row[]> {
  const { rows } = await database.query({ text, values });
  return rows as Row[];
}

export async function insertTrigger(database: Queryable, ref: string): Promise<Id> {
  return await insertedId(database, "insert into trigger (ref, label) values ($1, $1) returning id", [ref]);
}

export async function insertRule(
  database: Queryable,
  rule: { ref: string; triggerRef: string; conditions?: unknown; enabled?: boolean; actionParams?: unknown },
): Promise<Id> {
  return await insertedId(
    database,
    `insert into rule (ref, action_ref, trigger, trigger_ref, conditions, enabled, action_params)
     values ($1, 'core.noop', (select id from trigger where ref = $2), $2, $3, $4, $5) returning id`,
    [
      rule.ref,
      rule.triggerRef,
      JSON.stringify(rule.conditions ?? null),
      rule.enabled ?? true,
      JSON.stringify(rule.actionParams ?? {}),
    ],
  );
}

export async function insertSensor(
  database: Queryable,
  sensor: { ref: string; triggerRef: string; runtimeRef?: string; protocol?: string; entrypoint?: string },
): Promise<Id> {
  return await insertedId(
    database,
    `insert into sensor (ref, pack_ref, entrypoint, runtime_ref, trigger, trigger_ref, protocol)
     values ($1, split_part($1, '.', 1), $2, $3, (select id from trigger where ref = $4), $4, $5) returning id`,
    [
      sensor.ref,
      sensor.entrypoint ?? "sensor.py",
      sensor.runtimeRef ?? "core.sensor.python",
      sensor.triggerRef,
      sensor.protocol ?? "stream",
    ],
  );
}

/** A live worker, as registration leaves it; takes over the row of that name if there is one. */
export async function insertWorker(
  database: Queryable,
  worker: {
    name: string;
    instance: string;
    runtimes?: string[];
    sensorCountMax?: number;
    leaseSeconds?: number;
  },
): Promise<Id> {
  const capabilities = {
    runtimes: worker.runtimes ?? ["python", "shell"],
    max_concurrent_sensors: worker.sensorCountMax ?? 10,
  };
  return await insertedId(
    database,
    `insert into worker (name, worker_type, worker_role, status, instance, capabilities, last_heartbeat, lease_expires_at)
     values ($1, 'local', 'sensor', 'active', $2, $3, now(), clock_timestamp() + make_interval(secs => $4))
     on conflict (name) do update set instance = excluded.instance, lease_expires_at = excluded.lease_expires_at
     returning id`,
    [worker.name, worker.instance, JSON.stringify(capabilities), worker.leaseSeconds ?? 10],
  );
}

async function insertedId(database: Queryable, text: string, values: unknown[]): Promise<Id> {
  const [row] = await query<{ id: Id }>(database, text, values);
  if (row === undefined) throw new Error(`nothing was inserted by ${text}`);
  return row.id;
}
