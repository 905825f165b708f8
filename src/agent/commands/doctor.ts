import type { LoadedConfig } from "../../config/load-config.ts";
import { examine } from "../../diagnosis/examine.ts";
import { failed, type Finding } from "../../diagnosis/finding.ts";
import { runVersionCommands } from "../../runtimes/version-commands.ts";
import { silentLogger } from "../../telemetry/logger.ts";
import { bootstrapRuntimes } from "../bootstrap.ts";
import { findingsJson, findingsText } from "../findings-report.ts";
import type { ExitCode, Invocation } from "../invocation.ts";
import { loadConfiguration } from "../load-configuration.ts";
import { openConfiguredDatabase } from "../open-configured-database.ts";

/** Checks everything a sensor needs, prints the findings, and fails if anything is wrong. */
export async function doctor(invocation: Invocation): Promise<ExitCode> {
  const findings = await diagnose(invocation);
  invocation.print(invocation.format === "json" ? findingsJson(findings) : findingsText(findings));
  return findings.some(({ state }) => state === "wrong") ? 1 : 0;
}

async function diagnose(invocation: Invocation): Promise<readonly Finding[]> {
  const { agentVariables, ...machine } = await bootstrapRuntimes(
    invocation.environment,
    runVersionCommands(),
  );
  let loaded: LoadedConfig;
  try {
    loaded = loadConfiguration(invocation);
  } catch (error) {
    // Every other check depends on the configuration.
    return [failed("configuration", error)];
  }
  return await examine({
    loaded,
    machine: { ...machine, variables: agentVariables.restored },
    openDatabase: () => openConfiguredDatabase(loaded.config, silentLogger),
  });
}
