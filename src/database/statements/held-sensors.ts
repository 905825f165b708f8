/** SQL that counts the sensors a live worker holds. */
import { builtinRuntime, builtinRuntimeRef } from "../../model/runtimes/runtime-names.ts";
import { isLeaseAlive } from "./lease.ts";

/**
 * For each row of `worker` in the same `from`: `held.usual` use its capacity, and `held.builtin` run inside the agent and use
 * none.
 */
export const heldSensors = `
     cross join lateral (
           select count(*) filter (where not is_builtin)::int as usual,
                  count(*) filter (where is_builtin)::int as builtin
             from (select sensor.runtime_ref = '${builtinRuntimeRef}'
                          or runtime.name is not distinct from '${builtinRuntime}' as is_builtin
                     from sensor_assignment as assignment
                     join sensor
                       on sensor.id = assignment.sensor
                     left join runtime
                            on runtime.ref = sensor.runtime_ref
                    where assignment.worker = worker.id
                      and assignment.instance = worker.instance
                      and ${isLeaseAlive("worker", "now()")}) as each) as held`;
