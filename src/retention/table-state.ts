/** What the decisions about partitions (model/retention/partition-plan.ts) need to know of a table. */
import type { PartitionPosition, PartitionRow } from "../database/statements/partitions.ts";
import type { KeepLimits, RetainedTable } from "../model/retention/keep-limits.ts";
import { dayMs, type PartitionState, type TableState } from "../model/retention/partition-plan.ts";

export type TableLimits = Readonly<Record<RetainedTable, KeepLimits>>;

export function tableState(
  table: RetainedTable,
  rows: readonly PartitionRow[],
  position: PartitionPosition,
  limits: TableLimits,
): TableState {
  const nowMs = position.now.getTime();
  const rest = rows.find(({ isDefault }) => isDefault);
  return {
    kind: table === "event_key" ? "days" : "ids",
    partitions: rows.flatMap(({ beyond, oldest, newest, ...row }) =>
      beyond === null
        ? []
        : [
            {
              ...row,
              beyond,
              oldestMs: oldest?.getTime() ?? null,
              newestMs: newest?.getTime() ?? null,
              neededUntilMs: newest === null ? null : neededUntilMs(row.name, newest, limits),
            } satisfies PartitionState,
          ],
    ),
    rest: {
      name: rest?.name ?? `${table}_default`,
      rows: rest?.rows ?? 0,
      bytes: rest?.bytes ?? 0,
      newestMs: rest?.newest?.getTime() ?? null,
      highest: rest?.highest ?? null,
    },
    position: table === "event_key" ? BigInt(Math.floor(nowMs / dayMs)) : (position[table] ?? 0n) + 1n,
    nowMs,
  };
}

/** The rows of before there were partitions are also the memory of their dedup keys. */
function neededUntilMs(partition: string, newest: Date, { event_key: { days } }: TableLimits): number | null {
  if (partition !== "event_before") return null;
  return newest.getTime() + (days ?? Number.POSITIVE_INFINITY) * dayMs;
}
