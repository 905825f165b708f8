import type { Database } from "../../database/database.ts";
import { explainUnplaced } from "../../scheduling/placement-facts.ts";
import { good, wrong, type Finding } from "./finding.ts";

/** Which sensors should run and do not, and why. */
export async function checkPlacement(database: Database): Promise<readonly Finding[]> {
  const unplaced = await explainUnplaced(database);
  if (unplaced.length === 0) return [good("placement", "every sensor that should run has a worker")];
  return unplaced.map(({ sensorRef, reason }) => wrong(`sensor ${sensorRef}`, `runs nowhere: ${reason}`));
}
