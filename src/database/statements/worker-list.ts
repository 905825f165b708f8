/** Workers, as the API lists them. */
import type { Id } from "../../model/identifiers.ts";
import type { JsonValue } from "../../model/json/json.ts";
import { listStatements, type ListStatements } from "../page.ts";
import type { Row, Statement } from "../statement.ts";
import { heldSensors } from "./held-sensors.ts";
import { isLeaseAlive } from "./lease.ts";

export const workerRoles = ["action", "sensor", "hybrid"] as const;
export const workerStatuses = ["active", "inactive", "busy", "error"] as const;

export interface WorkerEntry {
  readonly id: Id;
  readonly name: string;
  readonly type: "local" | "remote" | "container";
  readonly role: (typeof workerRoles)[number];
  readonly status: (typeof workerStatuses)[number] | null;
  /** Its lease has not expired, by the database's clock. */
  readonly isAlive: boolean;
  readonly sensorsHeld: number;
  /** Those of them that are not built-in. */
  readonly capacityUsed: number;
  readonly runtime: Id | null;
  readonly host: string | null;
  readonly port: number | null;
  readonly capabilities: JsonValue;
  readonly meta: JsonValue;
  readonly lastHeartbeatAt: Date | null;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

/** Null means any. */
export interface WorkerFilter {
  readonly role: WorkerEntry["role"] | null;
  readonly status: WorkerEntry["status"];
  readonly isAlive: boolean | null;
}

// A subquery, so that filters and orders can name computed columns.
const workers = `(
      select worker.id, worker.name, worker.worker_type::text, worker.worker_role::text, worker.status::text,
             coalesce(worker.status = 'active', false) and ${isLeaseAlive("worker", "now()")} as alive,
             held.usual + held.builtin as sensors_held, held.usual as capacity_used,
             worker.runtime, worker.host, worker.port, worker.capabilities, worker.meta, worker.last_heartbeat,
             worker.created, worker.updated
        from worker${heldSensors}) as entry`;

export const workerOrders = [
  "id",
  "-id",
  "name",
  "-name",
  "created",
  "-created",
  "updated",
  "-updated",
] as const;

export type WorkerOrder = (typeof workerOrders)[number];

export function listWorkers(order: WorkerOrder): ListStatements<WorkerFilter, WorkerEntry> {
  return listStatements(
    {
      name: "workers",
      columns: "*",
      from: workers,
      matching: `($1::text is null or worker_role = $1)
       and ($2::text is null or status = $2)
       and ($3::boolean is null or alive = $3)`,
      valueCount: 3,
      values: ({ role, status, isAlive }) => [role, status, isAlive],
      decode: workerEntry,
    },
    order,
  );
}

/** Returns no row if no worker has that name. */
export const readWorker: Statement<string, WorkerEntry> = {
  name: "read_worker",
  text: `
    select *
      from ${workers}
     where name = $1`,
  values: (name) => [name],
  decode: workerEntry,
};

function workerEntry(row: Row): WorkerEntry {
  return {
    id: row.id("id"),
    name: row.text("name"),
    type: row.word("worker_type", ["local", "remote", "container"]),
    role: row.word("worker_role", workerRoles),
    status: row.textOrNull("status") === null ? null : row.word("status", workerStatuses),
    isAlive: row.boolean("alive"),
    sensorsHeld: row.number("sensors_held"),
    capacityUsed: row.number("capacity_used"),
    runtime: row.idOrNull("runtime"),
    host: row.textOrNull("host"),
    port: row.numberOrNull("port"),
    capabilities: row.json("capabilities"),
    meta: row.json("meta"),
    lastHeartbeatAt: row.instantOrNull("last_heartbeat"),
    createdAt: row.instant("created"),
    updatedAt: row.instant("updated"),
  };
}
