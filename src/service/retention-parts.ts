/** The part that keeps the partitions of stored events. */
import type { Database } from "../database/database.ts";
import { tryToWrite } from "../files/write-trial.ts";
import { keptOfTables } from "../model/retention/keep-limits.ts";
import type { ClockGuard } from "../retention/clock-guard.ts";
import { PartitionKeeper } from "../retention/partition-keeper.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { ServiceContext } from "./service-context.ts";

export function openRetention(
  { options, lifetime, clock, random }: ServiceContext,
  database: Database,
  metrics: Metrics,
  clockGuard: ClockGuard,
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
    clockGuard,
    metrics,
    logger,
    clock,
    random,
  });
  lifetime.run((signal) => keeper.run(signal));
  if (folder !== undefined) void warnIfUnwritable(folder, logger);
  return keeper;
}

/** The first partition may be archived a month from now. Only a warning, because the folder may still be mounted until then. */
async function warnIfUnwritable(folder: string, logger: Logger): Promise<void> {
  const refusal = await tryToWrite(folder);
  if (refusal === undefined) return;
  const { problem, remedy, code } = refusal;
  logger.warn(
    { folder, code },
    `${problem}: ${remedy}, or set retention.archive_dir; until an agent can write there, retired partitions are not dropped`,
  );
}
