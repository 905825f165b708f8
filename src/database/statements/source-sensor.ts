/** A sensor as the source of events that are posted in its name. */
import type { Id } from "../../model/identifiers.ts";
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

/** Id of the event, or of the move, that the sensor's checkpoint came with. No row: none was stored under that instance. */
export const readCheckpointEvent: Statement<{ readonly sensorId: Id; readonly instance: string }, Id> = {
  name: "read_checkpoint_event",
  text: `
    select event
      from sensor_checkpoint
     where sensor = $1
       and instance = $2
       and event is not null`,
  values: ({ sensorId, instance }) => [sensorId, instance],
  decode: (row) => row.id("event"),
};
