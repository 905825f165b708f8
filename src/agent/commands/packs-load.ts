import { loadMigrations } from "../../database/embedded-migrations.ts";
import { migrate } from "../../database/migrate.ts";
import { loadPacks as load, type LoadReport } from "../../packs/load-packs.ts";
import { describeProblem } from "../../packs/pack-problem.ts";
import { loadConfiguration, openLogger } from "../configured.ts";
import type { ExitCode, Invocation } from "../invocation.ts";
import { openConfiguredDatabase } from "../open-configured-database.ts";

/**
 * Makes the database's definitions those of the pack folders and prints what changed. As at every start,
 * missing migrations are applied first, so that packs can be loaded before the agent has ever run.
 */
export async function loadPacks(invocation: Invocation, directories: readonly string[]): Promise<ExitCode> {
  const { environment, format, print } = invocation;
  const loaded = loadConfiguration(invocation);
  const logger = await openLogger(loaded, environment);
  await using database = await openConfiguredDatabase(loaded.config, logger);
  await migrate(database, loadMigrations(), logger);

  const report = await load(database, directories);
  for (const warning of report.warnings) logger.warn({}, describeProblem(warning));
  print(format === "json" ? `${JSON.stringify(report, undefined, 2)}\n` : reportText(report));
  return 0;
}

function reportText({ changes, unchanged }: LoadReport): string {
  const lines = changes.map(({ change, kind, ref }) => `${change} ${kind} ${ref}`);
  return [...lines, `${changes.length} changed, ${unchanged} unchanged`, ""].join("\n");
}
