/** Loads this repository's packs and a timer and a webhook into the quickstart's database and points them at the demo world. */
import { globSync } from "node:fs";
import { join } from "node:path";
import { openConfiguredDatabase } from "../../src/agent/open-configured-database.ts";
import type { Config } from "../../src/config/schema.ts";
import { loadMigrations } from "../../src/database/migrations/bundled-migrations.ts";
import { migrate } from "../../src/database/migrations/migrate.ts";
import { loadPacks } from "../../src/packs/load-packs.ts";
import { readPacks } from "../../src/packs/read-packs.ts";
import type { Logger } from "../../src/telemetry/logger.ts";
import type { DemoWorld } from "./demo-world.ts";

export async function loadExamplePacks(config: Config, world: DemoWorld, logger: Logger): Promise<void> {
  const manifests = globSync("*/pack.yaml", { cwd: config.packs_base_dir }).toSorted();
  const { packs } = await readPacks([
    ...manifests.map((file) => join(config.packs_base_dir, file, "..")),
    join(import.meta.dirname, "pack"),
  ]);
  await using database = await openConfiguredDatabase(config, logger);
  await migrate(database, loadMigrations(), logger);
  await loadPacks(database, packs);
  const point = (sensorRef: string, settings: object, pollSeconds: number | null): Promise<unknown> =>
    database.query({
      text: "update sensor set config = config || $2::jsonb, poll_interval = $3 where ref = $1",
      values: [sensorRef, JSON.stringify(settings), pollSeconds],
    });
  await point("logwatch.lines", { path: world.logPath }, null);
  await point("httpcheck.endpoint", { url: world.healthUrl }, 2);
}
