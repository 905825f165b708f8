import { loadMigrations } from "../../database/migrations/bundled-migrations.ts";
import { explainingDatabaseFailures } from "../../database/explain-failure.ts";
import { migrate } from "../../database/migrations/migrate.ts";
import { loadPacks as load } from "../../packs/load-packs.ts";
import { describeProblem } from "../../packs/pack-problem.ts";
import { readPacks } from "../../packs/read-packs.ts";
import { loadConfiguration } from "../load-configuration.ts";
import { openLogger } from "../open-logger.ts";
import type { ExitCode, Invocation } from "../invocation.ts";
import { loadReportJson, loadReportText } from "../load-report.ts";
import { openConfiguredDatabase } from "../open-configured-database.ts";
import { describeDatabase } from "../describe-database.ts";

/**
 * Makes the definitions in the database match the pack folders and prints the changes. Pending migrations
 * are applied first, as at every start, so packs can be loaded before the agent has ever run. An invalid
 * pack stops the command before it opens, creates or migrates a database.
 */
export async function loadPacks(invocation: Invocation, directories: readonly string[]): Promise<ExitCode> {
  const { environment, format, print } = invocation;
  const loaded = loadConfiguration(invocation);
  const logger = await openLogger(loaded, environment);
  const { packs, warnings } = await readPacks(directories);
  for (const warning of warnings) logger.warn({}, describeProblem(warning));

  await using database = await openConfiguredDatabase(loaded.config, logger);
  const loadedPacks = await explainingDatabaseFailures(
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
  const report = { ...loadedPacks, warnings };
  print(
    format === "json"
      ? loadReportJson({ ...report, database: database.address })
      : loadReportText({ ...report, database: describeDatabase(database) }),
  );
  return 0;
}
