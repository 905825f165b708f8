import { join } from "node:path";
import type { Config } from "../../config/schema.ts";
import { rowsOf } from "../../database/statement.ts";
import { readSensorScripts } from "../../database/statements/sensor-scripts.ts";
import type { SensorRuntimes } from "../../runtimes/sensor-runtimes.ts";
import { tryToWrite } from "../../files/write-trial.ts";
import { decodeExecutionConfig } from "../../sensors/launch/execution-config.ts";
import { pendingEnvironment } from "../../sensors/launch/environment-creation.ts";
import { findRuntimeEnvironment } from "../../sensors/launch/runtime-environment.ts";
import { notice, wrong, type Finding } from "../finding.ts";
import type { Look } from "../look.ts";

/**
 * Finds pack environments that cannot be used here, usually because of dangling links, and those that lack the
 * pack's dependencies.
 */
export async function checkEnvironments(
  { packs_base_dir: packs, runtime_envs_dir: runtimeEnvsDir }: Config,
  { rows }: Look,
  runtimes: SensorRuntimes,
): Promise<readonly Finding[]> {
  const findings = new Map<string, Finding>();
  for (const { packRef, runtimeRef } of await rowsOf(rows, readSensorScripts, undefined)) {
    const answer = runtimes.offered(runtimeRef);
    if (packRef === null || answer.kind !== "offered") continue;
    const { runtime } = answer;
    const config = decodeExecutionConfig(runtime.executionConfig);
    const packDir = join(packs, packRef);
    const question = { runtimeEnvsDir, packRef, packDir, runtime, config };
    const { warnings } = await findRuntimeEnvironment(question);
    // Sensors of one pack and runtime share an environment, so its problem is reported once.
    const subject = `environment ${packRef} ${runtime.name}`;
    for (const warning of warnings) findings.set(`${packRef} ${warning}`, wrong(subject, warning));
    const pending = await pendingEnvironment(question);
    if (pending !== undefined && warnings.length === 0)
      findings.set(pending, await pendingFinding(subject, pending));
  }
  return [...findings.values()];
}

async function pendingFinding(subject: string, folder: string): Promise<Finding> {
  const lack = `${folder} lacks the pack's dependencies`;
  const refusal = await tryToWrite(folder);
  if (refusal !== undefined) {
    const { problem, remedy, code } = refusal;
    return wrong(subject, `${lack}, which the agent cannot install: ${problem}`, {
      remedy: `${remedy}, or set runtime_envs_dir to another folder, or install them in the image`,
      facts: { code },
    });
  }
  return notice(subject, `${lack}, which are installed when one of its sensors starts`, {
    remedy: "if one has started already, its log says why the installation failed",
  });
}
