/** Reads a sensor's rules when its program starts, which may be long after the sensor was assigned. */
import type { Queryable } from "../database/database.ts";
import { readAssignedSensors } from "../database/statements/assigned-sensors.ts";
import type { SensorRule } from "../model/definitions.ts";
import type { Id } from "../model/identifiers.ts";
import { decodeAssignedSensor } from "./assigned-sensor.ts";

/** @throws while the database cannot be asked, or when the rows cannot be understood */
export async function currentRules(database: Queryable, sensorId: Id): Promise<readonly SensorRule[]> {
  const [row] = await readAssignedSensors(database, [sensorId]);
  if (row === undefined) return [];
  const decoded = decodeAssignedSensor(row);
  if (decoded.kind === "invalid") throw new Error(decoded.problem);
  return decoded.value.rules;
}
