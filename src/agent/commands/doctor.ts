import { existsSync } from "node:fs";
import type { LoadedConfig } from "../../config/load-config.ts";
import type { Config } from "../../config/schema.ts";
import { databaseFolder } from "../../database/data-directory.ts";
import type { Database } from "../../database/database.ts";
import { demandOpenFiles } from "../../database/open-files-limit.ts";
import { OperatorError } from "../../errors/operator-error.ts";
import { runVersionCommands } from "../../runtimes/version-commands.ts";
import { silentLogger } from "../../telemetry/logger.ts";
import { askHealth, type HealthAnswer } from "../ask-health.ts";
import { bootstrapRuntimes, type Bootstrap } from "../bootstrap.ts";
import { loadConfiguration } from "../load-configuration.ts";
import { checkApi } from "../doctor/api-check.ts";
import { checkBroker } from "../doctor/broker-check.ts";
import { checkMigrations } from "../doctor/database-checks.ts";
import { checkEnvironments } from "../doctor/environment-check.ts";
import { failed, findingsOf, good, notice, type Finding } from "../doctor/finding.ts";
import { findingsJson, findingsText } from "../doctor/findings-report.ts";
import { checkFolders } from "../doctor/folders-check.ts";
import { checkOutbox } from "../doctor/outbox-check.ts";
import { checkOutput } from "../doctor/output-check.ts";
import { checkPackFiles } from "../doctor/pack-file-check.ts";
import { checkRules } from "../doctor/rule-check.ts";
import { checkRunningAgent } from "../doctor/running-agent-check.ts";
import { runtimeFindings, verifyRuntimes } from "../doctor/runtime-checks.ts";
import { checkSensors } from "../doctor/sensor-checks.ts";
import { checkWorkers } from "../doctor/worker-check.ts";
import type { ExitCode, Invocation } from "../invocation.ts";
import { openConfiguredDatabase } from "../open-configured-database.ts";

/** Checks everything a sensor needs, prints what was found, and fails if anything is wrong. */
export async function doctor(invocation: Invocation): Promise<ExitCode> {
  const findings = await examine(invocation);
  invocation.print(invocation.format === "json" ? findingsJson(findings) : findingsText(findings));
  return findings.some(({ state }) => state === "wrong") ? 1 : 0;
}

async function examine(invocation: Invocation): Promise<readonly Finding[]> {
  const bootstrap = await bootstrapRuntimes(invocation.environment, runVersionCommands());
  let loaded: LoadedConfig;
  try {
    loaded = loadConfiguration(invocation);
  } catch (error) {
    return [failed("configuration", error)]; // Everything else hangs on it.
  }
  const { config, file, warnings } = loaded;
  const health = await askHealth(config, "/health");
  return [
    good("configuration", file ?? "no file, defaults and environment only"),
    ...warnings.map((warning) => notice("configuration", warning)),
    ...(await findingsOf({
      folders: () => checkFolders(config),
      api: () => checkApi(config, health),
      broker: () => checkBroker(config),
      database: () => examineDatabase(config, bootstrap, health),
      output: async () => (health.kind === "agent" ? checkOutput(config) : []),
    })),
  ];
}

async function examineDatabase(
  config: Config,
  bootstrap: Bootstrap,
  health: HealthAnswer,
): Promise<readonly Finding[]> {
  // Looking must not create a database.
  if (config.database.url === undefined && !existsSync(databaseFolder(config.data_dir))) {
    demandOpenFiles(config.data_dir);
    return [notice("database", `embedded, to be made in ${config.data_dir} at the first start`)];
  }
  let opened: Database;
  try {
    opened = await openConfiguredDatabase(config, silentLogger);
  } catch (error) {
    if (!(error instanceof OperatorError && error.code === "DATA_DIRECTORY_IN_USE")) throw error;
    return checkRunningAgent(config, error, health);
  }
  await using database = opened;
  const connected = good("database", describeDatabase(database));
  const migrations = await findingsOf({ migrations: () => checkMigrations(database) });
  if (migrations.some(({ state }) => state === "wrong")) return [connected, ...migrations];
  return [connected, ...migrations, ...(await examineRows(config, bootstrap, database))];
}

async function examineRows(
  config: Config,
  bootstrap: Bootstrap,
  database: Database,
): Promise<readonly Finding[]> {
  const verified = verifyRuntimes(config, bootstrap, database);
  // Each check that needs it meets its failure.
  verified.catch(() => {});
  return findingsOf({
    workers: () => checkWorkers(database),
    runtimes: async () => runtimeFindings(await verified),
    environments: async () => checkEnvironments(config, database, (await verified).runtimes),
    "pack files": () => checkPackFiles(config, database),
    sensors: async () => checkSensors(config, database, (await verified).runtimes),
    rules: () => checkRules(database),
    messages: () => checkOutbox(database),
  });
}

function describeDatabase({ kind, address, schema }: Database): string {
  return `${kind === "embedded" ? "embedded in " : ""}${address}, schema ${schema}`;
}
