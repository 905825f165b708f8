/**
 * A sensor's current owner and the latest report of its process, for doctor and the API.
 *
 * The fragment joins to `sensor`: `assignment` and `holder`, null unless a live worker owns it; `process`, null if
 * nothing was ever reported; and `reporter`, the worker that reported.
 */
import { isLeaseAlive } from "./lease.ts";

export const ownerAndReport = `left join (sensor_assignment as assignment
                   join worker as holder
                     on holder.id = assignment.worker
                    and holder.instance = assignment.instance)
               on assignment.sensor = sensor.id
              and ${isLeaseAlive("holder", "now()")}
        left join sensor_process as process
               on process.sensor = sensor.id
        left join worker as reporter
               on reporter.id = process.worker`;

/** Whether the current owner made the report during its current term. */
export const isReportCurrent =
  "coalesce(process.worker = holder.id and process.updated >= assignment.claimed_at, false)";
