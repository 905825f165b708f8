import fc from "fast-check";
import { expect, test } from "vitest";
import { keepEverything, type KeepLimits } from "../../../src/model/retention/keep-limits.ts";
import {
  dayMs,
  planPartitions,
  spanMs,
  type PartitionState,
  type TableState,
} from "../../../src/model/retention/partition-plan.ts";

const thirtyDays: KeepLimits = { ...keepEverything, days: 30 };
const nowMs = 20_000 * dayMs;

const partition = (first: bigint, fields: Partial<PartitionState> = {}): PartitionState => ({
  name: `event_from_${first}`,
  first,
  beyond: first + 10_000_000n,
  rows: 0,
  bytes: 0,
  oldestMs: null,
  newestMs: null,
  neededUntilMs: null,
  ...fields,
});

const table = (fields: Partial<TableState>): TableState => ({
  kind: "ids",
  partitions: [],
  rest: { name: "event_default", rows: 0, bytes: 0, newestMs: null, highest: null },
  position: 1n,
  nowMs,
  ...fields,
});

test("two partitions lie ahead of the present one", () => {
  const plan = planPartitions(table({ partitions: [partition(1n)] }), thirtyDays);

  expect(plan).toEqual({
    add: [
      { first: 10_000_001n, beyond: 20_000_001n },
      { first: 20_000_001n, beyond: 30_000_001n },
    ],
    enter: null,
    retire: [],
  });
});

test("a partition takes rows for a thirtieth of the time that they are kept, then ids leap to the next", () => {
  expect(spanMs(thirtyDays)).toBe(dayMs);
  const since = (ageMs: number) =>
    planPartitions(
      table({
        partitions: [
          partition(1n, { rows: 5, oldestMs: nowMs - ageMs, newestMs: nowMs }),
          partition(10_000_001n),
        ],
        position: 6n,
      }),
      thirtyDays,
    ).enter;

  expect(since(dayMs - 1)).toBeNull();
  expect(since(dayMs)).toBe(10_000_001n);
});

test("a partition also ends when it holds its share of the rows or bytes", () => {
  const partitions = [partition(1n, { rows: 100, bytes: 5_000, oldestMs: nowMs, newestMs: nowMs })];
  const enter = (limits: Partial<KeepLimits>) =>
    planPartitions(table({ partitions, position: 101n }), { ...keepEverything, ...limits }).enter;

  expect(enter({ rows: 3_000 })).toBe(10_000_001n);
  expect(enter({ rows: 4_000 })).toBeNull();
  expect(enter({ bytes: 150_000 })).toBe(10_000_001n);
});

test("partitions widen with the pace, so that time ends them and not their range", () => {
  const partitions = [partition(1n, { rows: 9_000_000, oldestMs: nowMs - dayMs / 24, newestMs: nowMs })];
  const { add } = planPartitions(table({ partitions, position: 9_000_001n }), thirtyDays);

  // Nine million an hour are 216 million a day.
  expect(add[0]).toEqual({ first: 10_000_001n, beyond: 10_000_001n + 440_000_000n });
});

test("old partitions are retired by their newest row, and never the present one", () => {
  const old = nowMs - 31 * dayMs;
  const partitions = [
    partition(1n, { rows: 1, oldestMs: old - dayMs, newestMs: old }),
    partition(10_000_001n),
    partition(20_000_001n, { rows: 1, oldestMs: old, newestMs: nowMs - 29 * dayMs }),
    partition(30_000_001n, { rows: 1, oldestMs: old, newestMs: old }),
  ];
  const retire = (limits: KeepLimits, position: bigint) =>
    planPartitions(table({ partitions, position }), limits).retire;

  expect(retire(thirtyDays, 30_000_002n)).toEqual(["event_from_1", "event_from_10000001"]);
  expect(retire({ ...keepEverything, days: 28 }, 30_000_002n)).toHaveLength(3);
  expect(retire(keepEverything, 30_000_002n)).toEqual([]);
  expect(retire(thirtyDays, 5n)).toEqual([]);
});

test("with a limit of rows or bytes the oldest go first, until the rest fits", () => {
  const partitions = [1n, 10_000_001n, 20_000_001n].map((first) =>
    partition(first, { rows: 100, bytes: 1_000, oldestMs: nowMs, newestMs: nowMs }),
  );
  const retire = (limits: Partial<KeepLimits>) =>
    planPartitions(table({ partitions, position: 20_000_101n }), { ...keepEverything, ...limits }).retire;

  expect(retire({ rows: 300 })).toEqual([]);
  expect(retire({ rows: 299 })).toEqual(["event_from_1"]);
  expect(retire({ bytes: 1_500 })).toEqual(["event_from_1", "event_from_10000001"]);
  // What is being written stays.
  expect(retire({ rows: 1 })).toEqual(["event_from_1", "event_from_10000001"]);
});

test("a partition larger than the limit stays until the newer ones hold half of it", () => {
  const retire = (newerBytes: number) =>
    planPartitions(
      table({
        partitions: [
          partition(1n, { bytes: 3_000, oldestMs: nowMs, newestMs: nowMs }),
          partition(10_000_001n, { bytes: newerBytes, oldestMs: nowMs, newestMs: nowMs }),
          partition(20_000_001n),
        ],
        position: 20_000_001n,
      }),
      { ...keepEverything, bytes: 2_000 },
    ).retire;

  expect(retire(0)).toEqual([]);
  expect(retire(999)).toEqual([]);
  expect(retire(1_000)).toEqual(["event_from_1"]);
});

test("what is needed for something else stays, and is no reason for others to go or to stay", () => {
  const old = { rows: 100, oldestMs: nowMs - 60 * dayMs, newestMs: nowMs - 40 * dayMs };
  const young = { rows: 100, oldestMs: nowMs - 2 * dayMs, newestMs: nowMs };
  const retire = (limits: Partial<KeepLimits>, untilMs: number) =>
    planPartitions(
      table({
        partitions: [
          partition(1n, { ...old, rows: 1_000_000, neededUntilMs: untilMs }),
          partition(10_000_001n, old),
          partition(20_000_001n, young),
          partition(30_000_001n, young),
        ],
        position: 30_000_101n,
      }),
      { ...keepEverything, ...limits },
    ).retire;

  expect(retire({ days: 30 }, nowMs + 1)).toEqual(["event_from_10000001"]);
  expect(retire({ days: 30 }, nowMs)).toEqual(["event_from_1", "event_from_10000001"]);
  expect(retire({ rows: 300 }, nowMs + 1)).toEqual([]);
  expect(retire({ rows: 300 }, nowMs)).toEqual(["event_from_1"]);
});

test("an old partition into which a late row came does not keep those after it", () => {
  const old = { rows: 1, oldestMs: nowMs - 60 * dayMs, newestMs: nowMs - 40 * dayMs };
  const partitions = [
    partition(1n, { ...old, newestMs: nowMs }),
    partition(10_000_001n, old),
    partition(20_000_001n),
  ];

  expect(planPartitions(table({ partitions, position: 20_000_001n }), thirtyDays).retire).toEqual([
    "event_from_10000001",
  ]);
});

test("stray rows are no reason for others to go, and go by themselves when they alone are too much", () => {
  const partitions = [1n, 10_000_001n].map((first) =>
    partition(first, { rows: 100, oldestMs: nowMs, newestMs: nowMs }),
  );
  const retire = (strayRows: number) =>
    planPartitions(
      table({
        partitions,
        rest: { name: "event_default", rows: strayRows, bytes: 1, newestMs: nowMs, highest: 7n },
        position: 10_000_101n,
      }),
      { ...keepEverything, rows: 300 },
    ).retire;

  expect(retire(300)).toEqual([]);
  expect(retire(301)).toEqual(["event_default"]);
});

test("ids that have leapt past all partitions go on to new ones beyond them", () => {
  const rest = { name: "event_default", rows: 3, bytes: 1, newestMs: nowMs, highest: 1_000_000_007n };
  const { add, enter } = planPartitions(
    table({ partitions: [partition(1n)], rest, position: 1_000_000_008n }),
    thirtyDays,
  );

  expect(add).toHaveLength(2);
  expect(add[0]?.first).toBeGreaterThan(1_000_000_008n);
  expect(enter).toBe(add[0]?.first);
});

test("stray rows are retired once they are old, as a whole", () => {
  const rest = { name: "event_default", rows: 3, bytes: 1, newestMs: nowMs - 31 * dayMs, highest: 7n };
  const plan = (position: bigint) =>
    planPartitions(table({ partitions: [partition(10_000_001n)], rest, position }), thirtyDays);

  expect(plan(10_000_002n).retire).toEqual(["event_default"]);
  expect(plan(7n).retire).toEqual([]);
});

test("days have a place from today on, and are forgotten when their last one is old enough", () => {
  const days = table({ kind: "days", position: 20_000n });
  const week: KeepLimits = { ...keepEverything, days: 7 };
  const { add } = planPartitions(days, week);
  expect(add).toEqual([
    { first: 20_000n, beyond: 20_002n },
    { first: 20_002n, beyond: 20_004n },
    { first: 20_004n, beyond: 20_006n },
  ]);

  const made = add.map(({ first, beyond }) => partition(first, { beyond }));
  const retire = (day: bigint) =>
    planPartitions({ ...days, partitions: made, position: day, nowMs: Number(day) * dayMs }, week).retire;
  expect(retire(20_008n)).toEqual([]);
  expect(retire(20_009n)).toEqual([]);
  expect(retire(20_010n)).toEqual(["event_from_20000"]);
});

test("days that the clock was set back to have a place again", () => {
  const week: KeepLimits = { ...keepEverything, days: 7 };
  const ahead = [20_003n, 20_005n, 20_007n].map((first) => partition(first, { beyond: first + 2n }));
  const add = (highest: bigint | null) =>
    planPartitions(
      table({
        kind: "days",
        position: 20_000n,
        partitions: ahead,
        rest: { name: "event_key_default", rows: 0, bytes: 0, newestMs: null, highest },
      }),
      week,
    ).add;

  expect(add(null)).toEqual([{ first: 20_000n, beyond: 20_002n }]);
  expect(add(20_000n)).toEqual([{ first: 20_001n, beyond: 20_003n }]);
  expect(add(20_001n)).toEqual([{ first: 20_002n, beyond: 20_003n }]);
  expect(add(20_002n)).toEqual([]);
});

test("keys that are kept by number have a partition for each day", () => {
  const days = table({ kind: "days", position: 20_000n });

  const { add } = planPartitions(days, { ...keepEverything, days: 30, rows: 1_000 });

  expect(add[0]).toEqual({ first: 20_000n, beyond: 20_001n });
});

// Goal: the place of the next row is always made beforehand, whatever pace and limits.
// Method: a table lives for months of random days; after each the plan is carried out.
test("the next rows always have a partition, partitions never overlap, and their number stays bounded", () => {
  const pace = fc.array(fc.integer({ min: 0, max: 200_000_000 }), { minLength: 20, maxLength: 60 });
  fc.assert(
    fc.property(pace, fc.integer({ min: 1, max: 60 }), (daily, days) => {
      const limits = { ...keepEverything, days };
      let partitions: PartitionState[] = [partition(1n)];
      let position = 1n;
      let atMs = nowMs;
      for (const events of daily) {
        for (let hour = 0; hour < 24; hour += 1) {
          atMs += dayMs / 24;
          const count = BigInt(Math.floor(events / 24));
          partitions = partitions.map((each) => {
            const isHere = (each.first ?? 0n) <= position && position < each.beyond;
            if (!isHere || count === 0n) return each;
            return {
              ...each,
              rows: each.rows + Number(count),
              oldestMs: each.oldestMs ?? atMs,
              newestMs: atMs,
            };
          });
          position += count;
          const plan = planPartitions(table({ partitions, position, nowMs: atMs }), limits);
          partitions = partitions
            .concat(plan.add.map(({ first, beyond }) => partition(first, { beyond })))
            .filter(({ name }) => !plan.retire.includes(name));
          if (plan.enter !== null) position = plan.enter;
          expect(partitions.some(({ first, beyond }) => (first ?? 0n) <= position && position < beyond)).toBe(
            true,
          );
        }
      }
      for (const [index, each] of partitions.entries()) {
        const next = partitions[index + 1];
        if (next !== undefined) expect(each.beyond).toBeLessThanOrEqual(next.first ?? 0n);
      }
      expect(partitions.length).toBeLessThan(100);
    }),
    { numRuns: 15 },
  );
});
