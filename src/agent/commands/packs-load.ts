import { loadMigrations } from "../../database/migrations/bundled-migrations.ts";
import { explainingDatabaseFailures } from "../../database/explain-failure.ts";
import { migrate } from "../../database/migrations/migrate.ts";
import type { Config } from "../../config/schema.ts";
import { importBody, problemInFiles } from "../../packs/import-packs.ts";
import { loadPacks as load, type LoadReport } from "../../packs/load-packs.ts";
import { misplacedPacks } from "../../packs/misplaced-packs.ts";
import type { Pack } from "../../packs/pack.ts";
import { describeProblem, packInvalid } from "../../packs/pack-problem.ts";
import { readPacks } from "../../packs/read-packs.ts";
import type { Logger } from "../../telemetry/logger.ts";
import { ApiClient } from "../client/api-client.ts";
import {
  apiConnection,
  isApiNamed,
  localConnectionIfAny,
  type ApiConnection,
} from "../client/api-connection.ts";
import { loadConfiguration } from "../load-configuration.ts";
import { openLogger } from "../open-logger.ts";
import type { ExitCode, Invocation } from "../invocation.ts";
import { loadReportJson, loadReportOf, loadReportText } from "../load-report.ts";
import { openConfiguredDatabase } from "../open-configured-database.ts";
import { describeDatabase } from "../describe-database.ts";

/**
 * Makes the definitions on the platform match the pack folders and prints the changes. An invalid pack stops the command
 * before it asks for anything.
 *
 * The packs go through the API of `--api`, of ATTUNE_API_URL with ATTUNE_API_TOKEN, or of the agent that runs on this machine.
 * Without any of these they go straight into the configured database, so packs can be loaded before an agent has ever run; pending
 * migrations are applied first, as at every start.
 */
export async function loadPacks(
  invocation: Invocation,
  directories: readonly string[],
  apiUrl?: string,
): Promise<ExitCode> {
  const { environment, format, print } = invocation;
  const loaded = loadConfiguration(invocation);
  const logger = await openLogger(loaded, environment);
  const { packs, warnings: doubts } = await readPacks(directories);
  const warnings = [...(await misplacedPacks(packs, loaded.config.packs_base_dir)), ...doubts];
  for (const warning of warnings) logger.warn({}, describeProblem(warning));

  const connection = loadingConnection(invocation, apiUrl, loaded.config.data_dir);
  const { report, place, description } =
    connection === undefined
      ? await loadIntoDatabase(loaded.config, packs, logger)
      : await loadThroughApi(connection, packs);
  print(
    format === "json"
      ? loadReportJson({ ...report, warnings, database: place })
      : loadReportText({ ...report, warnings, database: description }),
  );
  return 0;
}

interface Loaded {
  readonly report: LoadReport;
  /** Where the definitions are now, without credentials. */
  readonly place: string;
  /** The same for people. */
  readonly description: string;
}

/** Undefined: no API is named, and no agent of this configuration runs here. */
function loadingConnection(
  invocation: Invocation,
  apiUrl: string | undefined,
  dataDirectory: string,
): ApiConnection | undefined {
  return isApiNamed(invocation.environment, apiUrl)
    ? apiConnection(invocation, apiUrl)
    : localConnectionIfAny(dataDirectory);
}

async function loadThroughApi(connection: ApiConnection, packs: readonly Pack[]): Promise<Loaded> {
  const { data } = await new ApiClient(connection).ask({
    method: "POST",
    path: "/api/v1/packs/import",
    body: importBody(packs),
    attempt: "load packs",
    failureFor: (problems) => {
      const inFiles = problems.flatMap((problem) => problemInFiles(packs, problem) ?? []);
      return inFiles.length === problems.length ? packInvalid(inFiles) : undefined;
    },
  });
  const place = `the platform at ${connection.url}`;
  return { report: loadReportOf(data), place, description: place };
}

async function loadIntoDatabase(config: Config, packs: readonly Pack[], logger: Logger): Promise<Loaded> {
  await using database = await openConfiguredDatabase(config, logger);
  const report = await explainingDatabaseFailures(
    `load packs into the database at ${database.address}`,
    async () => {
      await migrate(database, loadMigrations(), logger);
      return load(database, packs);
    },
    {
      DATABASE_RIGHTS_MISSING:
        "load packs with the role that owns the schema, or grant this role what an agent needs, see docs/database.md",
    },
  );
  return { report, place: database.address, description: describeDatabase(database) };
}
