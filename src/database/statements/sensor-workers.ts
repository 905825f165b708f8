/** The workers that placement looks at. */
import type { Id } from "../../model/identifiers.ts";
import type { JsonObject } from "../../model/json/json.ts";
import { builtinRuntime, builtinRuntimeRef } from "../../model/runtimes/runtime-names.ts";
import type { Statement } from "../statement.ts";
import type { WorkerTerm } from "./assignments.ts";
import { isLeaseAlive } from "./lease.ts";
import { isAmongWanted } from "./sensor-demands.ts";

/** SQL for workers that can place and get sensors. */
export function isLive(worker: string): string {
  return `${worker}.worker_role in ('sensor', 'hybrid')
             and ${worker}.status = 'active'
             and ${isLeaseAlive(worker, "now()")}`;
}

export interface LiveWorker {
  readonly id: Id;
  readonly name: string;
  readonly capabilities: JsonObject;
  /** Sensors that it holds and that use capacity. */
  readonly load: number;
}

/** The worker that asks counts as alive whatever its lease says. Null if no worker asks. */
export interface AskingWorker {
  readonly selfId: Id | null;
}

export const readLiveWorkers: Statement<AskingWorker, LiveWorker> = {
  name: "read_live_workers",
  text: `
    select worker.id, worker.name, coalesce(worker.capabilities, '{}') as capabilities, coalesce(held.load, 0)::int as load
      from worker
      left join (select assignment.instance, count(*) as load
                   from sensor_assignment as assignment
                   join sensor
                     on sensor.id = assignment.sensor
                   left join runtime
                          on runtime.ref = sensor.runtime_ref
                  where sensor.runtime_ref <> '${builtinRuntimeRef}'
                    and runtime.name is distinct from '${builtinRuntime}'
                    and ${isAmongWanted}
                  group by assignment.instance) as held
             on held.instance = worker.instance
     where worker.id = $1
        or (${isLive("worker")})
     order by worker.id`,
  values: ({ selfId }) => [selfId],
  decode: (row) => ({
    id: row.id("id"),
    name: row.text("name"),
    capabilities: row.jsonObject("capabilities"),
    load: row.number("load"),
  }),
};

/** What a worker's own row says about it. No row if it belongs to another instance. */
export const readWorker: Statement<WorkerTerm, Pick<LiveWorker, "name" | "capabilities">> = {
  name: "read_live_worker",
  text: `
    select name, coalesce(capabilities, '{}') as capabilities
      from worker
     where id = $1
       and instance = $2`,
  values: ({ workerId, instance }) => [workerId, instance],
  decode: (row) => ({ name: row.text("name"), capabilities: row.jsonObject("capabilities") }),
};
