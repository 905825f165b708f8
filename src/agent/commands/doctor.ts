import type { LoadedConfig } from "../../config/load-config.ts";
import { examine } from "../../diagnosis/examine.ts";
import { failed, type Finding } from "../../diagnosis/finding.ts";
import { startGuard } from "../../processes/guard.ts";
import { runVersionCommands } from "../../runtimes/version-commands.ts";
import { isJsonArray, isJsonObject, type JsonValue } from "../../model/json/json.ts";
import { silentLogger } from "../../telemetry/logger.ts";
import { bootstrapRuntimes } from "../bootstrap.ts";
import { ApiClient } from "../client/api-client.ts";
import { localConnectionIfAny } from "../client/api-connection.ts";
import { plainText } from "../client/output.ts";
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
  await using guard = startGuard("ATTUNE_DOCTOR", silentLogger);
  const { agentVariables, ...machine } = await bootstrapRuntimes(
    invocation.environment,
    runVersionCommands({ guard }),
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
    machine: { ...machine, variables: agentVariables.restored, guard },
    openDatabase: () => openConfiguredDatabase(loaded.config, silentLogger),
    askForFindings: () => askLocalAgent(loaded.config.data_dir),
  });
}

async function askLocalAgent(dataDirectory: string): Promise<readonly Finding[] | undefined> {
  const connection = localConnectionIfAny(dataDirectory);
  if (connection === undefined) return undefined;
  const { data } = await new ApiClient(connection).ask({
    path: "/api/v1/diagnosis",
    attempt: "examine the database",
  });
  const findings = isJsonObject(data) && isJsonArray(data["findings"]) ? data["findings"] : [];
  return findings.flatMap(findingOf);
}

function findingOf(value: JsonValue): readonly Finding[] {
  if (!isJsonObject(value)) return [];
  const { state, subject, detail, remedy, lines, facts } = value;
  if (state !== "good" && state !== "notice" && state !== "wrong") return [];
  return [
    {
      state,
      subject: plainText(subject),
      detail: plainText(detail),
      remedy: typeof remedy === "string" ? remedy : null,
      lines: isJsonArray(lines) ? lines.map(plainText) : [],
      facts: isJsonObject(facts) ? facts : {},
    },
  ];
}
