/** The part that keeps the partitions of stored events. */
import type { Database } from "../database/database.ts";
import { keptOfTables } from "../model/retention/keep-limits.ts";
import { PartitionKeeper } from "../retention/partition-keeper.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { ServiceContext } from "./service-context.ts";

export function openRetention(
  { options, lifetime, clock, random }: ServiceContext,
  database: Database,
  metrics: Metrics,
): PartitionKeeper {
  const { config, logger } = options;
  const { archive_dir: folder } = config.retention;
  const keeper = new PartitionKeeper({
    database,
    limits: keptOfTables(config.retention, database.kind),
    archive:
      folder === undefined
        ? undefined
        : async (table, partition, signal) => {
            const { archivePartition } = await import("../retention/archive.ts");
            const path = await archivePartition({ database, folder, clock }, table, partition, signal);
            logger.info({ table, partition, path }, `archived ${partition} to ${path}`);
          },
    ruleVersionSeconds: config.retention.rule_versions,
    metrics,
    logger,
    clock,
    random,
  });
  lifetime.run((signal) => keeper.run(signal));
  return keeper;
}
