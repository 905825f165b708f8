import { join } from "node:path";
import type { Config } from "../../config/schema.ts";
import type { Database } from "../../database/database.ts";
import { rowsOf } from "../../database/statement.ts";
import { readSensorScripts } from "../../database/statements/sensor-scripts.ts";
import type { SensorRuntimes } from "../../runtimes/sensor-runtimes.ts";
import { decodeExecutionConfig } from "../../sensors/execution-config.ts";
import { findRuntimeEnvironment } from "../../sensors/runtime-environment.ts";
import { wrong, type Finding } from "./finding.ts";

/** Environments of packs that cannot be used here, most of all those whose links lead nowhere. */
export async function checkEnvironments(
  { packs_base_dir: packs, runtime_envs_dir: runtimeEnvsDir }: Config,
  database: Database,
  runtimes: SensorRuntimes,
): Promise<readonly Finding[]> {
  const findings = new Map<string, Finding>();
  for (const { packRef, runtimeRef } of await rowsOf(database, readSensorScripts, undefined)) {
    const answer = runtimes.offered(runtimeRef);
    if (packRef === null || answer.kind !== "offered") continue;
    const { runtime } = answer;
    const config = decodeExecutionConfig(runtime.executionConfig);
    const packDir = join(packs, packRef);
    const { warnings } = await findRuntimeEnvironment({ runtimeEnvsDir, packRef, packDir, runtime, config });
    // Sensors of one pack and runtime share the environment, and its fault.
    for (const warning of warnings) {
      findings.set(`${packRef} ${warning}`, wrong(`environment ${packRef} ${runtime.name}`, warning));
    }
  }
  return [...findings.values()];
}
