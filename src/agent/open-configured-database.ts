import type { Config } from "../config/schema.ts";
import type { Database } from "../database/database.ts";
import { openDatabase } from "../database/open-database.ts";
import type { Logger } from "../telemetry/logger.ts";

/**
 * Opens the configured database for a one-shot command, which fails instead of waiting for an unreachable
 * database.
 */
export async function openConfiguredDatabase(
  { database, data_dir }: Config,
  logger: Logger,
): Promise<Database> {
  return await openDatabase({
    url: database.url,
    urlFile: database.url_file,
    tls: database.tls,
    dataDirectory: data_dir,
    schema: database.schema,
    connectionsMax: database.max_connections,
    whenUnreachable: "fail",
    logger,
  });
}
