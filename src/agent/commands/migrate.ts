import { loadMigrations } from "../../database/migrations/bundled-migrations.ts";
import { explainingDatabaseFailures } from "../../database/explain-failure.ts";
import { migrate as applyMigrations } from "../../database/migrations/migrate.ts";
import { loadConfiguration } from "../load-configuration.ts";
import { openLogger } from "../open-logger.ts";
import type { ExitCode, Invocation } from "../invocation.ts";
import { openConfiguredDatabase } from "../open-configured-database.ts";
import { toldDatabase } from "../told-database.ts";

/** Applies the migrations the database lacks and prints which those were. */
export async function migrate(invocation: Invocation): Promise<ExitCode> {
  const { environment, format, print } = invocation;
  const loaded = loadConfiguration(invocation);
  const logger = await openLogger(loaded, environment);
  await using database = await openConfiguredDatabase(loaded.config, logger);

  const applied = await explainingDatabaseFailures(`migrate the database at ${database.address}`, () =>
    applyMigrations(database, loadMigrations(), logger),
  );
  if (format === "json") {
    print(`${JSON.stringify({ database: database.address, applied }, undefined, 2)}\n`);
  } else if (applied.length === 0) {
    print(`${toldDatabase(database)} has every migration already\n`);
  } else {
    const lines = applied.map(({ version, name }) => `applied ${version}_${name}\n`);
    print(`${lines.join("")}${applied.length} applied to ${toldDatabase(database)}\n`);
  }
  return 0;
}
