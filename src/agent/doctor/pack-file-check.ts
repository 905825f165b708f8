import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Config } from "../../config/schema.ts";
import type { Database } from "../../database/database.ts";
import { rowsOf } from "../../database/statement.ts";
import { readSensorScripts, type SensorScript } from "../../database/statements/sensor-scripts.ts";
import { entrypointProblem } from "../../packs/entrypoint.ts";
import { good, wrong, type Finding } from "./finding.ts";

/** Whether the script of every enabled sensor is where this machine would start it. */
export async function checkPackFiles(
  { packs_base_dir: packs }: Config,
  database: Database,
): Promise<readonly Finding[]> {
  const scripts = await rowsOf(database, readSensorScripts, undefined);
  if (scripts.length === 0) return [good("pack files", "no enabled sensor has a script")];
  if (!existsSync(packs)) {
    const remedy = "mount the packs there, or set packs_base_dir";
    return [
      wrong("pack files", `${packs} does not exist, ${scripts.length} scripts should be in it`, { remedy }),
    ];
  }
  const problems = (await Promise.all(scripts.map((script) => scriptProblem(packs, script)))).flat();
  return problems.length > 0 ? problems : [good("pack files", `${scripts.length} scripts are in ${packs}`)];
}

async function scriptProblem(
  packs: string,
  { sensorRef, packRef, entrypoint, runtimeRef }: SensorScript,
): Promise<readonly Finding[]> {
  if (packRef === null)
    return [wrong(`script of ${sensorRef}`, "the sensor belongs to no pack, so it has none")];
  const problem = await entrypointProblem(join(packs, packRef), entrypoint, runtimeRef);
  if (problem === undefined) return [];
  const remedy = `mount or copy the pack ${packRef} to ${packs}, or set packs_base_dir`;
  return [wrong(`script of ${sensorRef}`, `its entrypoint ${problem}`, { remedy })];
}
