import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Config } from "../../config/schema.ts";
import { rowsOf } from "../../database/statement.ts";
import { readSensorScripts, type SensorScript } from "../../database/statements/sensor-scripts.ts";
import { builtinRuntimeRef } from "../../model/runtimes/runtime-names.ts";
import { counted } from "../../model/texts/counted.ts";
import { entrypointProblem, scriptFileProblem } from "../../packs/entrypoint.ts";
import { good, wrong, type Finding } from "../finding.ts";
import type { Look } from "../look.ts";

/** Checks that the script of every enabled sensor exists where this machine would start it. */
export async function checkPackFiles(
  { packs_base_dir: packs }: Config,
  { rows }: Look,
): Promise<readonly Finding[]> {
  const sensors = await rowsOf(rows, readSensorScripts, undefined);
  const scripts = sensors.filter(({ runtimeRef }) => runtimeRef !== builtinRuntimeRef);
  const unknown = sensors.flatMap(unknownBuiltin);
  if (scripts.length === 0) return [...unknown, good("pack files", "no enabled sensor has a script")];
  if (!existsSync(packs)) {
    const remedy = "mount the packs there, or set packs_base_dir";
    return [
      wrong(
        "pack files",
        `${packs} does not exist, but should contain ${counted(scripts.length, "script")}`,
        {
          remedy,
        },
      ),
    ];
  }
  const found = await Promise.all(scripts.map((script) => scriptProblem(packs, script)));
  const problems = [...unknown, ...found.flat()];
  return problems.length > 0
    ? problems
    : [good("pack files", `${counted(scripts.length, "script")} in ${packs}`)];
}

/** A sensor of the runtime builtin has no script; its entrypoint names what runs. */
function unknownBuiltin({ sensorRef, entrypoint, runtimeRef }: SensorScript): readonly Finding[] {
  if (runtimeRef !== builtinRuntimeRef) return [];
  const problem = entrypointProblem(entrypoint, runtimeRef);
  return problem === undefined ? [] : [wrong(`sensor ${sensorRef}`, `its entrypoint ${problem}`)];
}

async function scriptProblem(
  packs: string,
  { sensorRef, packRef, entrypoint, runtimeRef }: SensorScript,
): Promise<readonly Finding[]> {
  if (packRef === null) return [wrong(`script of ${sensorRef}`, "is missing: the sensor belongs to no pack")];
  const subject = `script of ${sensorRef}`;
  const folder = join(packs, packRef);
  if (!existsSync(folder)) {
    const remedy = "mount or copy the pack there, or set packs_base_dir";
    return [wrong(subject, `its pack is missing: ${folder} does not exist`, { remedy })];
  }
  const problem =
    entrypointProblem(entrypoint, runtimeRef) ?? (await scriptFileProblem(folder, entrypoint, runtimeRef));
  return problem === undefined ? [] : [wrong(subject, `its entrypoint ${problem}`)];
}
