import { existsSync } from "node:fs";
import type { LoadedConfig } from "../../config/load-config.ts";
import type { Config } from "../../config/schema.ts";
import { databaseFolder } from "../../database/embedded/data-directory.ts";
import type { Database } from "../../database/database.ts";
import { demandResources } from "../../database/embedded/resource-limits.ts";
import { OperatorError } from "../../errors/operator-error.ts";
import { runVersionCommands } from "../../runtimes/version-commands.ts";
import { silentLogger } from "../../telemetry/logger.ts";
import { askableListeners } from "../ask-agent.ts";
import { askHealth, type HealthAnswer } from "../ask-health.ts";
import { bootstrapRuntimes, type Bootstrap } from "../bootstrap.ts";
import { loadConfiguration } from "../load-configuration.ts";
import { checkBroker } from "../doctor/broker-check.ts";
import { checkMigrations } from "../doctor/database-checks.ts";
import { checkDeliveries } from "../doctor/delivery-check.ts";
import { checkEnvironments } from "../doctor/environment-check.ts";
import { failed, findingsOf, good, notice, wrong, type Finding } from "../doctor/finding.ts";
import { findingsJson, findingsText } from "../doctor/findings-report.ts";
import { checkFolders } from "../doctor/folders-check.ts";
import { checkListeners } from "../doctor/listener-check.ts";
import { lookOnce } from "../doctor/look.ts";
import { checkOutbox } from "../doctor/outbox-check.ts";
import { checkOutput } from "../doctor/output-check.ts";
import { checkPackFiles } from "../doctor/pack-file-check.ts";
import { checkRights } from "../doctor/rights-check.ts";
import { checkRules } from "../doctor/rule-check.ts";
import { checkRunningAgent } from "../doctor/running-agent-check.ts";
import { runtimeFindings, verifyRuntimes } from "../doctor/runtime-checks.ts";
import { checkSensors } from "../doctor/sensor-checks.ts";
import { checkStorage } from "../doctor/storage-check.ts";
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
  const listeners = askableListeners(config);
  const health = await askHealth(listeners[0], "/health");
  return [
    good("configuration", file ?? "no file, defaults and environment only"),
    ...installationFindings(loaded, health),
    ...warnings.map((warning) => notice("configuration", warning)),
    ...(await findingsOf({
      folders: () => checkFolders(config),
      api: () => checkListeners(listeners, config.sensor.worker_name, health),
      broker: () => checkBroker(config),
      database: () => examineDatabase(config, bootstrap, health),
      deliveries: async () => (health.kind === "agent" ? checkDeliveries(config) : []),
      output: async () => (health.kind === "agent" ? checkOutput(config) : []),
    })),
  ];
}

/** A doctor called where nothing is configured has examined nothing that anybody runs. */
function installationFindings({ config, isDefault }: LoadedConfig, health: HealthAnswer): readonly Finding[] {
  if (!isDefault || existsSync(databaseFolder(config.data_dir))) return [];
  const agent =
    health.kind === "agent"
      ? `; an agent answers at ${health.url}, but nothing here says what it works with`
      : "";
  return [
    wrong(
      "installation",
      `none found: there is neither a configuration file, nor a setting in the environment, nor a database in ${config.data_dir}${agent}`,
      {
        remedy:
          "call it with the agent's configuration: --config FILE, or the agent's environment and folder; or start an agent here",
      },
    ),
  ];
}

async function examineDatabase(
  config: Config,
  bootstrap: Bootstrap,
  health: HealthAnswer,
): Promise<readonly Finding[]> {
  // Looking must not create a database.
  if (config.database.url === undefined && !existsSync(databaseFolder(config.data_dir))) {
    demandResources(config.data_dir);
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
  const before = await findingsOf({
    migrations: () => checkMigrations(database),
  });
  if (before.some(({ state }) => state === "wrong")) return [connected, ...before];
  return [connected, ...before, ...(await examineRows(config, bootstrap, database))];
}

async function examineRows(
  config: Config,
  bootstrap: Bootstrap,
  database: Database,
): Promise<readonly Finding[]> {
  const storage = await findingsOf({ storage: () => checkStorage(database) });
  const verified = verifyRuntimes(config, bootstrap, database);
  // Each check that needs it meets its failure.
  await verified.catch(() => {});
  const rows = await lookOnce(database, {
    rights: checkRights,
    workers: checkWorkers,
    runtimes: async () => runtimeFindings(await verified),
    environments: async (look) => checkEnvironments(config, look, (await verified).runtimes),
    "pack files": (look) => checkPackFiles(config, look),
    sensors: async (look) => checkSensors(config, look, (await verified).runtimes),
    rules: checkRules,
    messages: checkOutbox,
  });
  return [...storage, ...rows];
}

function describeDatabase({ kind, address, schema }: Database): string {
  return `${kind === "embedded" ? "embedded in " : ""}${address}, schema ${schema}`;
}
