import { join } from "node:path";
import type { Config } from "../../config/schema.ts";
import type { Database } from "../../database/database.ts";
import { rowsOf } from "../../database/statement.ts";
import { readSensorScripts } from "../../database/statements/sensor-scripts.ts";
import { entrypointProblem } from "../../packs/entrypoint.ts";
import { good, wrong, type Finding } from "./finding.ts";

/** Whether the script of every enabled sensor is where this machine would start it. */
export async function checkPackFiles(
  { packs_base_dir: packs }: Config,
  database: Database,
): Promise<readonly Finding[]> {
  const scripts = await rowsOf(database, readSensorScripts, undefined);
  const findings = await Promise.all(
    scripts.map(async ({ sensorRef, packRef, entrypoint, runtimeRef }): Promise<readonly Finding[]> => {
      if (packRef === null) return [wrong(`sensor ${sensorRef}`, "belongs to no pack, so it has no script")];
      const problem = await entrypointProblem(join(packs, packRef), entrypoint, runtimeRef);
      if (problem === undefined) return [];
      return [
        wrong(
          `sensor ${sensorRef}`,
          `its entrypoint ${problem}`,
          "load or mount its pack, or check packs_base_dir",
        ),
      ];
    }),
  );
  const problems = findings.flat();
  return problems.length > 0 ? problems : [good("pack files", `${scripts.length} scripts are in ${packs}`)];
}
