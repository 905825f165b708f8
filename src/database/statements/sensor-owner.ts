/** The live worker that owns one sensor. */
import type { Id } from "../../model/identifiers.ts";
import type { Statement } from "../statement.ts";
import { isLeaseAlive } from "./lease.ts";

export type SensorOwner = { readonly sensorId: Id } & (
  | { readonly instance: string; readonly workerName: string }
  /** No live worker owns it. */
  | { readonly instance: null; readonly workerName: null }
);

/** No row: no sensor has that ref. */
export const readSensorOwner: Statement<string, SensorOwner> = {
  name: "read_sensor_owner",
  text: `
    select sensor.id, holder.name as worker_name, holder.instance
      from sensor
      left join (sensor_assignment as assignment
                 join worker as holder
                   on holder.id = assignment.worker
                  and holder.instance = assignment.instance)
             on assignment.sensor = sensor.id
            and ${isLeaseAlive("holder", "now()")}
     where sensor.ref = $1`,
  values: (ref) => [ref],
  decode: (row) => {
    const sensorId = row.id("id");
    const instance = row.textOrNull("instance");
    return instance === null
      ? { sensorId, instance, workerName: null }
      : { sensorId, instance, workerName: row.text("worker_name") };
  },
};
