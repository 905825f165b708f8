import { loadMigrations } from "../../database/migrations/bundled-migrations.ts";
import { explainingDatabaseFailures } from "../../database/explain-failure.ts";
import { migrate as applyMigrations } from "../../database/migrations/migrate.ts";
import { loadConfiguration } from "../load-configuration.ts";
import { openLogger } from "../open-logger.ts";
import type { ExitCode, Invocation } from "../invocation.ts";
import { openConfiguredDatabase } from "../open-configured-database.ts";
import { describeDatabase } from "../describe-database.ts";
import { jsonReport } from "../json-report.ts";

/** Applies pending migrations and prints them. */
export async function migrate(invocation: Invocation): Promise<ExitCode> {
  const { environment, format, print } = invocation;
  const loaded = loadConfiguration(invocation);
  const logger = await openLogger(loaded, environment);
  await using database = await openConfiguredDatabase(loaded.config, logger);

  const applied = await explainingDatabaseFailures(`migrate the database at ${database.address}`, () =>
    applyMigrations(database, loadMigrations(), logger),
  );
  if (format === "json") {
    print(jsonReport({ database: database.address, applied }));
  } else if (applied.length === 0) {
    print(`${describeDatabase(database)} already has every migration\n`);
  } else {
    const lines = applied.map(({ version, name }) => `applied ${version}_${name}\n`);
    print(`${lines.join("")}${applied.length} applied to ${describeDatabase(database)}\n`);
  }
  return 0;
}
