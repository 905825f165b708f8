/**
 * Examines everything that a sensor needs and returns what it found. The caller prints or serves the findings.
 */
import { existsSync } from "node:fs";
import type { LoadedConfig } from "../config/load-config.ts";
import type { Config } from "../config/schema.ts";
import type { Database } from "../database/database.ts";
import { databaseFolder } from "../database/embedded/data-directory.ts";
import { demandResources } from "../database/embedded/resource-limits.ts";
import { OperatorError } from "../errors/operator-error.ts";
import { systemClock } from "../time/clock.ts";
import { checkBroker } from "./checks/broker-check.ts";
import { checkBuiltins } from "./checks/builtin-check.ts";
import { checkClock } from "./checks/clock-check.ts";
import { checkMigrations } from "./checks/database-checks.ts";
import { checkDeliveries } from "./checks/delivery-check.ts";
import { checkDownloads } from "./checks/download-check.ts";
import { checkEnvironments } from "./checks/environment-check.ts";
import { checkFiles } from "./checks/file-check.ts";
import { checkFolders } from "./checks/folders-check.ts";
import { checkHealth } from "./checks/health-check.ts";
import { checkKeys } from "./checks/key-check.ts";
import { checkListeners } from "./checks/listener-check.ts";
import { checkOutbox } from "./checks/outbox-check.ts";
import { checkOutput } from "./checks/output-check.ts";
import { checkPackFiles } from "./checks/pack-file-check.ts";
import { checkHeldPartitions } from "./checks/held-partitions-check.ts";
import { checkRetention } from "./checks/retention-check.ts";
import { checkRights } from "./checks/rights-check.ts";
import { checkRules } from "./checks/rule-check.ts";
import { checkRunningAgent, type AskForFindings } from "./checks/running-agent-check.ts";
import {
  runtimeFindings,
  verifyRuntimes,
  type ExaminedMachine,
  type VerifiedRuntimes,
} from "./checks/runtime-checks.ts";
import { checkSensors } from "./checks/sensor-checks.ts";
import { checkStorage } from "./checks/storage-check.ts";
import { checkWorkers } from "./checks/worker-check.ts";
import { findingsOf, good, notice, wrong, type Finding } from "./finding.ts";
import { lookOnce } from "./look.ts";
import { askableListeners } from "./running-agent/ask-agent.ts";
import { askHealth, type HealthAnswer } from "./running-agent/ask-health.ts";
import { askMetrics } from "./running-agent/ask-metrics.ts";

export interface Subject {
  readonly loaded: LoadedConfig;
  readonly machine: ExaminedMachine;
  /** Opens the configured database without waiting for one that is unreachable. */
  readonly openDatabase: () => Promise<Database>;
  /** Asks the agent that has the embedded database open. */
  readonly askForFindings: AskForFindings;
}

export async function examine(subject: Subject): Promise<readonly Finding[]> {
  const { config, file, warnings } = subject.loaded;
  const listeners = askableListeners(config);
  const health = await askHealth(listeners[0], "/health");
  const metrics = health.kind === "agent" ? askMetrics(listeners[0]) : "";
  return [
    good("configuration", file ?? "no file, defaults and environment only"),
    ...installationFindings(subject.loaded, health),
    ...warnings.map((warning) => notice("configuration", warning)),
    ...(await findingsOf({
      folders: () => checkFolders(config),
      downloads: () => checkDownloads(config),
      api: () => checkListeners(listeners, config.sensor.worker_name, health),
      agent: async () => checkHealth(health),
      broker: () => checkBroker(config),
      database: () => examineDatabase(subject, health),
      deliveries: async () => checkDeliveries(config, await metrics),
      files: async () => checkFiles(await metrics),
      output: async () => checkOutput(config, await metrics),
      clock: async () => checkHeldPartitions(await metrics),
    })),
  ];
}

/** Without any configuration, the examination would cover an installation that nobody runs. */
function installationFindings({ config, isDefault }: LoadedConfig, health: HealthAnswer): readonly Finding[] {
  if (!isDefault || existsSync(databaseFolder(config.data_dir))) return [];
  const agent =
    health.kind === "agent"
      ? `; an agent answers at ${health.url}, but doctor does not know its configuration`
      : "";
  return [
    wrong(
      "installation",
      `none found: no configuration file, no setting in the environment and no database in ${config.data_dir}${agent}`,
      {
        remedy:
          "run doctor with the agent's configuration (--config FILE, or the agent's environment and folder), or start an agent here",
      },
    ),
  ];
}

async function examineDatabase(
  { loaded: { config }, machine, openDatabase, askForFindings }: Subject,
  health: HealthAnswer,
): Promise<readonly Finding[]> {
  // Looking must not create a database.
  if (config.database.url === undefined && !existsSync(databaseFolder(config.data_dir))) {
    demandResources(config.data_dir);
    return [notice("database", `embedded; the first start creates it in ${config.data_dir}`)];
  }
  let opened: Database;
  try {
    opened = await openDatabase();
  } catch (error) {
    if (!(error instanceof OperatorError && error.code === "DATA_DIRECTORY_IN_USE")) throw error;
    return checkRunningAgent(config, error, health, askForFindings);
  }
  await using database = opened;
  const connected = good("database", describeDatabase(database));
  const before = await findingsOf({
    migrations: () => checkMigrations(database),
  });
  if (before.some(({ state }) => state === "wrong")) return [connected, ...before];
  return [
    connected,
    ...before,
    ...(await examineRows(config, database, verifyRuntimes(config, machine, database))),
  ];
}

/** As a running agent sees it, whose runtimes are verified already. */
export async function examineRunning(
  config: Config,
  database: Database,
  runtimes: VerifiedRuntimes,
): Promise<readonly Finding[]> {
  return [
    good("database", describeDatabase(database)),
    ...(await findingsOf({ migrations: () => checkMigrations(database) })),
    ...(await examineRows(config, database, Promise.resolve(runtimes))),
  ];
}

async function examineRows(
  config: Config,
  database: Database,
  verified: Promise<VerifiedRuntimes>,
): Promise<readonly Finding[]> {
  const [ofServer] = await Promise.all([
    findingsOf({ clock: () => checkClock(database, systemClock), storage: () => checkStorage(database) }),
    // Every check that awaits it reports the failure.
    verified.catch(() => {}),
  ]);
  const rows = await lookOnce(database, {
    rights: checkRights,
    workers: checkWorkers,
    runtimes: async () => runtimeFindings(await verified),
    environments: async (look) => checkEnvironments(config, look, (await verified).runtimes),
    "pack files": (look) => checkPackFiles(config, look),
    sensors: async (look) => checkSensors(config, look, (await verified).runtimes),
    rules: checkRules,
    "timers, webhooks and files": checkBuiltins,
    keys: (look) => checkKeys(config, look),
    messages: checkOutbox,
    retention: (look) => checkRetention(config, look),
  });
  return [...ofServer, ...rows];
}

function describeDatabase({ kind, address, schema }: Database): string {
  return `${kind === "embedded" ? "embedded in " : ""}${address}, schema ${schema}`;
}
