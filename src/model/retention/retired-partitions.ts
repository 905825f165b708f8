/**
 * Whether retired partitions are being archived and dropped, or pile up.
 *
 * One is ordinary: its archive may take minutes. The next is due when a partition has been filled, a thirtieth of the
 * limit later: a day, by default. So a second one shows that the first was not gone in all this time. Partitions of stray
 * rows are retired in between; their names tell when.
 *
 * After a long pause an agent retires several at once and then archives one after another. They cannot be told from those
 * that it fails to archive.
 */
import type { KeepLimits } from "./keep-limits.ts";
import { spanMs } from "./partition-plan.ts";

const ofStrayRows = /_rest_(\d+)$/;

/** @param names of the retired partitions of one table */
export function arePilingUp(names: readonly string[], limits: KeepLimits, nowMs: number): boolean {
  const retiredAtMs = names.map((name) => ofStrayRows.exec(name)?.[1]);
  const ordinary = retiredAtMs.filter((atMs) => atMs === undefined);
  return (
    ordinary.length > 1 ||
    retiredAtMs.some((atMs) => atMs !== undefined && nowMs - Number(atMs) > spanMs(limits))
  );
}
