import type { Statement } from "../statement.ts";

export interface SensorScript {
  readonly sensorRef: string;
  readonly packRef: string | null;
  readonly entrypoint: string;
  readonly runtimeRef: string;
}

/** The expected location of every enabled sensor's script. */
export const readSensorScripts: Statement<void, SensorScript> = {
  name: "read_sensor_scripts",
  text: `
    select ref, pack_ref, entrypoint, runtime_ref
      from sensor
     where enabled
     order by ref`,
  values: () => [],
  decode: (row) => ({
    sensorRef: row.text("ref"),
    packRef: row.textOrNull("pack_ref"),
    entrypoint: row.text("entrypoint"),
    runtimeRef: row.text("runtime_ref"),
  }),
};
