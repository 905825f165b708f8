import type { Config } from "../../config/schema.ts";
import { rowsOf } from "../../database/statement.ts";
import { readSensorStandings } from "../../database/statements/diagnosis.ts";
import type { PlacementWorker } from "../../model/sensors/placement.ts";
import { isBuiltin } from "../../model/sensors/sensor-kind.ts";
import type { SensorRuntimes } from "../../runtimes/sensor-runtimes.ts";
import { explainUnplaced } from "../../scheduling/placement-facts.ts";
import { notice, type Finding } from "../finding.ts";
import type { Look } from "../look.ts";
import { sensorFinding } from "./sensor-finding.ts";

/**
 * Reports for every sensor where it runs, or why it does not. No worker can run while doctor has an embedded
 * database open, so there the finding says which sensors an agent started here would run.
 */
export async function checkSensors(
  { sensor }: Config,
  { kind, rows }: Look,
  runtimes: SensorRuntimes,
): Promise<readonly Finding[]> {
  const { runtimes: offered, runtimeVersions } = runtimes.capabilities;
  const worker: PlacementWorker = {
    id: "0",
    name: sensor.worker_name,
    runtimes: new Set(offered),
    runtimeVersions: new Map(Object.entries(runtimeVersions)),
    labels: new Map(Object.entries(sensor.labels)),
    sensorCountMax: sensor.enabled ? sensor.max_concurrent_sensors : 0,
  };
  const isSupposed = kind === "embedded";
  const all = await rowsOf(rows, readSensorStandings, null);
  // The agent brings its built-in sensors along; before a rule uses one there is nothing to say about it.
  const standings = all.filter((standing) => standing.rules > 0 || !isBuiltin(standing));
  const unplaced = await explainUnplaced(rows, isSupposed ? [worker] : undefined);
  if (standings.length === 0) {
    return [notice("sensors", "there are none", { remedy: "attune-sensor-agent packs load DIRECTORY" })];
  }
  const ifPlaced = isSupposed ? "will run once the agent is started" : "is waiting for a worker to claim it";
  return standings.map((standing) => sensorFinding(standing, unplaced.get(standing.sensorRef), ifPlaced));
}
