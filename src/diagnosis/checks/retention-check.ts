import type { Config } from "../../config/schema.ts";
import { rowOf, rowsOf } from "../../database/statement.ts";
import { listPartitions, readPartitionPosition } from "../../database/statements/partitions.ts";
import { describeKeepLimits, keptOfTables } from "../../model/retention/keep-limits.ts";
import { planPartitions } from "../../model/retention/partition-plan.ts";
import { arePilingUp } from "../../model/retention/retired-partitions.ts";
import { bytesText } from "../../model/texts/bytes-text.ts";
import { tableState } from "../../retention/table-state.ts";
import { good, notice, wrong, type Finding } from "../finding.ts";
import type { Look } from "../look.ts";

const words = { event: "events", enforcement: "enforcements" } as const;

/** Checks that old events and enforcements are dropped as configured, and that new ones have a place. */
export async function checkRetention(config: Config, { kind, rows }: Look): Promise<readonly Finding[]> {
  const limits = keptOfTables(config.retention, kind);
  const position = await rowOf(rows, readPartitionPosition, undefined);
  if (position === undefined) return [];
  const findings: Finding[] = [];
  const tables = ["event", "enforcement"] as const;
  const all = await rowsOf(rows, listPartitions, { tables });
  for (const table of tables) {
    const partitions = all.filter((row) => row.table === table);
    const state = tableState(table, partitions, position, limits);
    const subject = `retention ${words[table]}`;
    const oldest = Math.min(...partitions.map((each) => each.oldest?.getTime() ?? Number.POSITIVE_INFINITY));
    const size = bytesText(partitions.reduce((total, { bytes }) => total + bytes, 0));
    const since = Number.isFinite(oldest)
      ? `since ${new Date(oldest).toISOString().slice(0, 10)}`
      : "none yet";
    const detail = `${since}, ${size}; kept: ${describeKeepLimits(limits[table])}`;
    const retired = partitions.flatMap(({ isRetired, name }) => (isRetired ? [name] : []));
    const overdue = planPartitions(state, limits[table]).retire;
    const facts = { partitions: partitions.length, retired, overdue };
    if (arePilingUp(retired, limits[table], position.now.getTime())) {
      const remedy =
        "see the log of the agent that keeps the partitions; retention.archive_dir may not be writable; after a long pause, the agent archives one partition after another";
      findings.push(
        wrong(subject, `${retired.join(", ")} should be archived and dropped by now`, { facts, remedy }),
      );
    } else if (retired.length > 0) {
      const are = retired.length === 1 ? "is" : "are";
      const now = `${detail}; ${retired.join(", ")} ${are} being archived or dropped`;
      const remedy = "if it does not end, see the log of the agent that keeps the partitions";
      findings.push(notice(subject, now, { facts, remedy }));
    } else if (overdue.length > 0) {
      const remedy =
        "an agent drops them within two minutes, once no message and no long statement needs them";
      findings.push(notice(subject, `${detail}; ${overdue.join(", ")} should be gone`, { facts, remedy }));
    } else findings.push(good(subject, detail, { facts }));
  }
  return findings;
}
