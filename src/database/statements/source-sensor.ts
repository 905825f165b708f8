/** A sensor as the source of events that are posted in its name. */
import type { EventSource } from "../../model/sensors/incoming-event.ts";
import type { Statement } from "../statement.ts";

/** No row: no sensor has that ref. */
export const readSourceSensor: Statement<string, Omit<EventSource, "term">> = {
  name: "read_source_sensor",
  text: `
    select id, ref, coalesce(config, '{}') as config
      from sensor
     where ref = $1`,
  values: (ref) => [ref],
  decode: (row) => ({
    sensorId: row.id("id"),
    sensorRef: row.text("ref"),
    sensorConfig: row.jsonObject("config"),
  }),
};
