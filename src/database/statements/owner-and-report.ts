/**
 * A sensor's present owner and the latest report of its process, as the doctor and the API read them.
 *
 * The fragment joins to a `sensor`: `assignment` and `holder`, null unless a live worker owns it; `process`, null
 * unless there ever was a report; and `reporter`, the worker that made it.
 */
import { isLeaseAlive } from "./lease.ts";

export const ownerAndReport = `left join (sensor_assignment as assignment
                   join worker as holder
                     on holder.id = assignment.worker
                    and holder.instance = assignment.instance)
               on assignment.sensor = sensor.id
              and ${isLeaseAlive("assignment", "holder", "now()")}
        left join sensor_process as process
               on process.sensor = sensor.id
        left join worker as reporter
               on reporter.id = process.worker`;

/** Whether the report is the present owner's, made since it owns the sensor. */
export const isReportCurrent =
  "coalesce(process.worker = holder.id and process.updated >= assignment.claimed_at, false)";
