/** Everything known of one sensor, and why it does not run if it does not: as doctor judges it, for the API. */
import type { Queryable } from "../database/database.ts";
import { rowOf } from "../database/statement.ts";
import { readSensorStandings, type SensorStanding } from "../database/statements/diagnosis.ts";
import { readSensorHold, type SensorHold } from "../database/statements/sensor-hold.ts";
import { readSensor, type SensorEntry } from "../database/statements/sensor-list.ts";
import { explainUnplaced } from "../scheduling/placement-facts.ts";
import { sensorFinding } from "./checks/sensor-finding.ts";
import type { Finding } from "./finding.ts";

export interface SensorStatus {
  readonly sensor: SensorEntry;
  readonly standing: SensorStanding;
  readonly hold: SensorHold;
  readonly finding: Finding;
}

/**
 * Undefined: no sensor has that ref.
 *
 * @param rows of one snapshot
 */
export async function readSensorStatus(rows: Queryable, ref: string): Promise<SensorStatus | undefined> {
  const sensor = await rowOf(rows, readSensor, { ref, id: null });
  const standing = await rowOf(rows, readSensorStandings, ref);
  const hold = await rowOf(rows, readSensorHold, ref);
  if (sensor === undefined || standing === undefined || hold === undefined) return undefined;
  const shouldRun = standing.isEnabled && standing.effectiveRules > 0;
  const unplaced = shouldRun && standing.holder === null ? await explainUnplaced(rows) : undefined;
  return {
    sensor,
    standing,
    hold,
    finding: sensorFinding(standing, unplaced?.get(ref), "waits for a worker to claim it"),
  };
}
