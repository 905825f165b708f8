/**
 * Facts about the installation as a whole.
 */
import type { Statement } from "../statement.ts";

/** The UUID that all message ids begin with; see model/identifiers.ts. */
export const readInstallation: Statement<void, { readonly id: string }> = {
  name: "read_installation",
  text: `
    select id
      from installation`,
  values: () => [],
  decode: (row) => ({ id: row.text("id") }),
};

export interface ActiveWorker {
  readonly name: string;
  readonly runtimes: readonly string[];
  readonly sensorCountMax: number;
  /** Seconds since its row was refreshed. */
  readonly heartbeatLagSeconds: number;
}

/** Every active sensor worker. Values that other processes wrote are used only if they have the right shape. */
export const readActiveWorkers: Statement<void, ActiveWorker> = {
  name: "read_active_workers",
  text: `
    select name,
           array(select jsonb_array_elements_text(capabilities -> 'runtimes')
                  where jsonb_typeof(capabilities -> 'runtimes') = 'array') as runtimes,
           case when jsonb_typeof(capabilities -> 'max_concurrent_sensors') = 'number'
                then (capabilities ->> 'max_concurrent_sensors')::double precision
                else 0
            end as sensor_count_max,
           coalesce(extract(epoch from clock_timestamp() - last_heartbeat), 0)::double precision as heartbeat_lag
      from worker
     where worker_role in ('sensor', 'hybrid')
       and status = 'active'
     order by name`,
  values: () => [],
  decode: (row) => ({
    name: row.text("name"),
    runtimes: row.texts("runtimes"),
    sensorCountMax: row.number("sensor_count_max"),
    heartbeatLagSeconds: row.number("heartbeat_lag"),
  }),
};
