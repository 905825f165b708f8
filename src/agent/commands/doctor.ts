import { existsSync } from "node:fs";
import type { LoadedConfig } from "../../config/load-config.ts";
import type { Config } from "../../config/schema.ts";
import type { Database } from "../../database/database.ts";
import { silentLogger } from "../../telemetry/logger.ts";
import { bootstrapRuntimes, type Bootstrap } from "../bootstrap.ts";
import { loadConfiguration } from "../configured.ts";
import { checkBroker } from "../doctor/broker-check.ts";
import { checkMigrations } from "../doctor/database-checks.ts";
import {
  failed,
  findingsJson,
  findingsOf,
  findingsText,
  good,
  notice,
  type Finding,
} from "../doctor/finding.ts";
import { checkPackFiles } from "../doctor/pack-file-check.ts";
import { checkPlacement } from "../doctor/placement-check.ts";
import { checkRuntimes } from "../doctor/runtime-checks.ts";
import type { ExitCode, Invocation } from "../invocation.ts";
import { openConfiguredDatabase } from "../open-configured-database.ts";

/** Checks everything a sensor needs, prints what was found, and fails if anything is wrong. */
export async function doctor(invocation: Invocation): Promise<ExitCode> {
  const findings = await examine(invocation);
  invocation.print(invocation.format === "json" ? findingsJson(findings) : findingsText(findings));
  return findings.some(({ state }) => state === "wrong") ? 1 : 0;
}

async function examine(invocation: Invocation): Promise<readonly Finding[]> {
  const bootstrap = bootstrapRuntimes(invocation.environment);
  let loaded: LoadedConfig;
  try {
    loaded = loadConfiguration(invocation);
  } catch (error) {
    return [failed("configuration", error)]; // Everything else hangs on it.
  }
  const { config, file, warnings } = loaded;
  return [
    good("configuration", file ?? "no file, defaults and environment only"),
    ...warnings.map((warning) => notice("configuration", warning)),
    ...(await findingsOf({
      broker: () => checkBroker(config),
      database: () => examineDatabase(config, bootstrap),
    })),
  ];
}

async function examineDatabase(config: Config, bootstrap: Bootstrap): Promise<readonly Finding[]> {
  // Looking must not create a database.
  if (config.database.url === undefined && !existsSync(config.data_dir)) {
    return [notice("database", `embedded, to be made in ${config.data_dir} at the first start`)];
  }

  await using database = await openConfiguredDatabase(config, silentLogger);
  const connected = good("database", describeDatabase(database));
  const migrations = await findingsOf({ migrations: () => checkMigrations(database) });
  if (migrations.some(({ state }) => state === "wrong")) return [connected, ...migrations];
  return [
    connected,
    ...migrations,
    ...(await findingsOf({
      runtimes: () => checkRuntimes(config, bootstrap, database),
      "pack files": () => checkPackFiles(config, database),
      placement: () => checkPlacement(database),
    })),
  ];
}

function describeDatabase({ kind, address, schema }: Database): string {
  return `${kind === "embedded" ? "embedded in " : ""}${address}, schema ${schema}`;
}
