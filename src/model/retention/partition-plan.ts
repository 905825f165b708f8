/**
 * Which partitions a table needs next, and which it no longer needs.
 *
 *   retired ◀── old ─ old ─ present ─ ahead ─ ahead
 *                              └─ position: where the next rows go
 *
 * Keys are ids or days. Ids go on to the next partition when the present one is as old or as large as a partition should
 * be: the sequence leaps over the rest of its range. Days move on by themselves.
 *
 * A partition is retired as a whole: when its newest row is older than the limit, or, oldest first, as long as the table
 * holds more rows or bytes than it may. The present one and those ahead stay.
 *
 * A size is no reason to lose nearly everything: a partition that alone is most of what the table may hold stays until the
 * newer ones hold half of that. What cannot go is no reason for others to go: it is not counted.
 */
import type { KeepLimits } from "./keep-limits.ts";

export interface PartitionState {
  readonly name: string;
  /** Null: it takes everything below `beyond`. */
  readonly first: bigint | null;
  readonly beyond: bigint;
  readonly rows: number;
  readonly bytes: number;
  /** Null: it is empty, or rows have no times. */
  readonly oldestMs: number | null;
  readonly newestMs: number | null;
  /** Until when its rows are needed for something else, whatever the limits; null: they are not. */
  readonly neededUntilMs: number | null;
}

export interface TableState {
  readonly kind: "ids" | "days";
  /** In order of their keys, without the default partition. */
  readonly partitions: readonly PartitionState[];
  /** Takes what no other partition takes; it should be empty. */
  readonly rest: Pick<PartitionState, "name" | "rows" | "bytes" | "newestMs"> & {
    readonly highest: bigint | null;
  };
  /** The key of the next row. */
  readonly position: bigint;
  readonly nowMs: number;
}

export interface PartitionPlan {
  readonly add: readonly { readonly first: bigint; readonly beyond: bigint }[];
  /** Where the sequence has to leap to. */
  readonly enter: bigint | null;
  /** Names, in order. */
  readonly retire: readonly string[];
}

export const dayMs = 86_400_000;
const hourMs = 3_600_000;

/** Full ones at most, so that statements over all of them stay quick. */
const partitionsWanted = 30;
/** Keys are looked up in every partition. */
const keyPartitionsWanted = 4;
const aheadWanted = 2;
/** Ids beyond the next one by more than this were not given out by the sequence, even after a thousand failovers. */
const reachableIds = 1_000_000_000_000n;
const idsMin = 10_000_000n;
const idsMax = 10_000_000_000n;

export function planPartitions(state: TableState, limits: KeepLimits): PartitionPlan {
  const presentIndex = state.partitions.findIndex(({ beyond }) => beyond > state.position);
  const present = presentIndex < 0 ? undefined : state.partitions[presentIndex];
  const isPresent =
    present !== undefined && (present.first === null || present.first <= state.position)
      ? present
      : undefined;
  const width = isPresent === undefined ? idsMin : widthFor(state, isPresent, limits);
  const { add, starts } = additions(state, state.kind === "days" ? daysPerPartition(limits) : width);
  return {
    add,
    enter: isPresent === undefined ? missing(state, starts) : successor(state, isPresent, limits),
    retire: retirements(state, limits),
  };
}

/** The ids went past all partitions, as after a leap for a failover: on to the next that is made. */
function missing({ kind, position }: TableState, starts: readonly bigint[]): bigint | null {
  return kind === "days" ? null : (starts.find((start) => start > position) ?? null);
}

function additions(
  { kind, partitions, rest, position }: TableState,
  width: bigint,
): { readonly add: PartitionPlan["add"]; readonly starts: readonly bigint[] } {
  const add: { first: bigint; beyond: bigint }[] = [];
  const starts = partitions.flatMap(({ first }) => (first === null ? [] : [first]));
  let ahead = starts.filter((start) => start > position).length;
  const covers = partitions.some(
    ({ first, beyond }) => (first === null || first <= position) && beyond > position,
  );
  // The present day has a place at once; ids beyond all partitions go to the next one by a leap.
  if (kind === "days" && !covers) ahead -= 1;
  if (kind === "days") add.push(...presentDays({ partitions, rest, position }, width));
  let next = highestOf([
    partitions.at(-1)?.beyond ?? 0n,
    rest.highest === null || isOutOfReach(rest.highest, position) ? 0n : rest.highest + 1n,
    kind === "days" ? position : covers ? 0n : position + idsMin,
  ]);
  for (; ahead < aheadWanted; ahead += 1) {
    add.push({ first: next, beyond: next + width });
    starts.push(next);
    next += width;
  }
  return { add, starts };
}

/** Somebody inserted the row by hand. Partitions beyond it would take the sequence there, to numbers that few programs can hold. */
function isOutOfReach(highest: bigint, position: bigint): boolean {
  return highest > position + reachableIds;
}

/** The days from the present one up to the first that has a partition: the clock was set back over partitions made since. */
function presentDays(
  { partitions, rest, position }: Pick<TableState, "partitions" | "rest" | "position">,
  width: bigint,
): PartitionPlan["add"] {
  const first = rest.highest === null || rest.highest < position ? position : rest.highest + 1n;
  const upcoming = partitions.find(({ beyond }) => beyond > first)?.first ?? null;
  if (upcoming === null || upcoming <= first) return [];
  return [{ first, beyond: first + width < upcoming ? first + width : upcoming }];
}

function successor(state: TableState, present: PartitionState, limits: KeepLimits): bigint | null {
  if (state.kind === "days" || present.oldestMs === null) return null;
  const isOld = state.nowMs - present.oldestMs >= spanMs(limits);
  const isLarge =
    (limits.rows !== null && present.rows >= limits.rows / partitionsWanted) ||
    (limits.bytes !== null && present.bytes >= limits.bytes / partitionsWanted);
  return isOld || isLarge ? present.beyond : null;
}

/** How long a partition takes rows. */
export function spanMs({ days }: KeepLimits): number {
  if (days === null) return 30 * dayMs;
  return Math.min(Math.max((days * dayMs) / partitionsWanted, hourMs), 30 * dayMs);
}

function daysPerPartition({ days, rows, bytes }: KeepLimits): bigint {
  // By size, whole partitions go, and the newest keys should not go with the oldest.
  if (rows !== null || bytes !== null) return 1n;
  return BigInt(Math.min(Math.max(Math.ceil((days ?? 120) / keyPartitionsWanted), 1), 30));
}

/**
 * Twice the ids that the present pace takes in a span, so that time ends a partition and not its range. The pace is that of
 * the present partition and the one before it: when a partition is needed, the present one has often just begun.
 */
function widthFor({ partitions, nowMs }: TableState, present: PartitionState, limits: KeepLimits): bigint {
  const recent = partitions.slice(
    Math.max(0, partitions.indexOf(present) - 1),
    partitions.indexOf(present) + 1,
  );
  const sinceMs = nowMs - Math.min(...recent.map(({ oldestMs }) => oldestMs ?? nowMs));
  const perMs = sum(recent, "rows") / Math.max(sinceMs, 60_000);
  const wanted = BigInt(Math.ceil((perMs * spanMs(limits) * 2) / Number(idsMin))) * idsMin;
  return wanted < idsMin ? idsMin : wanted > idsMax ? idsMax : wanted;
}

function retirements(state: TableState, limits: KeepLimits): readonly string[] {
  const { partitions, rest, position, nowMs, kind } = state;
  const isNeeded = ({ neededUntilMs }: PartitionState): boolean =>
    neededUntilMs !== null && neededUntilMs > nowMs;
  const isOver = (newestMs: number | null): boolean =>
    limits.days !== null && newestMs !== null && newestMs < nowMs - limits.days * dayMs;
  const held = partitions.filter((partition) => !isNeeded(partition));
  let [rows, bytes] = [sum(held, "rows"), sum(held, "bytes")];
  let isNextBySize = true;
  const retire: string[] = [];
  for (const [index, partition] of partitions.entries()) {
    if (partition.beyond > position) break;
    if (isNeeded(partition)) continue;
    const newestMs =
      kind === "days"
        ? Number(partition.beyond) * dayMs
        : // Without rows it is as old as what comes after it: workers may hold ids of it.
          (partition.newestMs ??
          partitions.slice(index + 1).find(({ oldestMs }) => oldestMs !== null)?.oldestMs ??
          null);
    isNextBySize &&=
      isTooMuch(rows, partition.rows, limits.rows) || isTooMuch(bytes, partition.bytes, limits.bytes);
    if (!isNextBySize && !isOver(newestMs)) continue;
    retire.push(partition.name);
    rows -= partition.rows;
    bytes -= partition.bytes;
  }
  const restNewestMs =
    kind === "days" && rest.highest !== null ? (Number(rest.highest) + 1) * dayMs : rest.newestMs;
  const isRestTooMuch =
    (limits.rows !== null && rest.rows > limits.rows) || (limits.bytes !== null && rest.bytes > limits.bytes);
  const hasPlace = partitions.some(({ first, beyond }) => (first ?? 0n) <= position && position < beyond);
  const isPast =
    rest.highest !== null && (rest.highest < position || (hasPlace && isOutOfReach(rest.highest, position)));
  if (isPast && (isOver(restNewestMs) || isRestTooMuch)) retire.push(rest.name);
  return retire;
}

/** Whether a table holds too much, and still holds at least half of what it may without the partition. */
function isTooMuch(total: number, ofPartition: number, limit: number | null): boolean {
  return limit !== null && total > limit && total - ofPartition >= limit / 2;
}

function sum(partitions: readonly PartitionState[], what: "rows" | "bytes"): number {
  return partitions.reduce((total, partition) => total + partition[what], 0);
}

function highestOf(values: readonly bigint[]): bigint {
  return values.reduce((highest, value) => (value > highest ? value : highest), 0n);
}
