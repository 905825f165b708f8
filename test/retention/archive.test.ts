/** Retired partitions of a real database are written to files. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Database, Query } from "../../src/database/database.ts";
import { keepEverything } from "../../src/model/retention/keep-limits.ts";
import { archivePartition } from "../../src/retention/archive.ts";
import { PartitionKeeper } from "../../src/retention/partition-keeper.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { systemClock } from "../../src/time/clock.ts";
import { query } from "../support/platform-rows.ts";
import { freshDatabase, type FreshDatabase } from "../support/postgres.ts";

const never = new AbortController().signal;
const folder = mkdtempSync(join(tmpdir(), "attune-archive-"));
let fresh: FreshDatabase;
let database: Database;

beforeAll(async () => {
  fresh = await freshDatabase();
  ({ database } = fresh);
});

afterAll(async () => {
  await fresh[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

/** One step of a keeper that keeps events for 30 days. */
async function keepOnce(
  archived: (table: string, partition: string) => Promise<void>,
): Promise<PartitionKeeper> {
  const keeper = new PartitionKeeper({
    database,
    limits: {
      event: { ...keepEverything, days: 30 },
      enforcement: keepEverything,
      event_key: keepEverything,
    },
    archive: archived,
    ruleVersionSeconds: 3_600,
    clockGuard: { observe: () => {}, isDoubted: () => false },
    metrics: { partitionDropped: () => {} },
    logger: silentLogger,
    clock: systemClock,
    random: Math.random,
  });
  try {
    await keeper.step(never);
    return keeper;
  } finally {
    // Gives the lock back, as a stop does.
    await keeper.run(AbortSignal.abort());
  }
}

async function archive(table: string, partition: string, from = database): Promise<string[]> {
  const target = { database: from, folder, clock: systemClock };
  const path = await archivePartition(target, table, partition, never);
  return gunzipSync(readFileSync(path)).toString().split("\n").slice(0, -1);
}

test(
  "a folder that cannot be made ends the attempt with the system's refusal",
  { timeout: 10_000 },
  async () => {
    const target = { database, folder: "/proc/nope", clock: systemClock };

    await expect(archivePartition(target, "event", "event_none", never)).rejects.toMatchObject({
      code: "ENOENT",
    });
  },
);

test("after each page it rests for as long as the page took, and for a second at most", async () => {
  let nowMs = 0;
  const restsMs: number[] = [];
  const pages = [
    { takesMs: 400, rows: [{ id: "1", line: "{}" }] },
    { takesMs: 7_000, rows: [{ id: "2", line: "{}" }] },
  ];
  const slow: Pick<Database, "query"> = {
    query: async ({ name = "" }) => {
      const page = name.startsWith("read_retired") ? pages.shift() : undefined;
      nowMs += page?.takesMs ?? 0;
      return { rows: page?.rows ?? [] };
    },
  };
  const clock = {
    ...systemClock,
    monotonicMs: () => nowMs,
    sleep: async (ms: number) => void restsMs.push(ms),
  };

  const path = await archivePartition({ database: slow, folder, clock }, "event", "event_slow", never);

  expect(gunzipSync(readFileSync(path)).toString()).toBe("{}\n{}\n");
  expect(restsMs).toEqual([400, 1_000]);
});

// Goal: a page is bounded by the text that is sent, whichever column it is in and however well it is compressed.
// Method: rows with configurations of a megabyte, stored in 12 kB each; each page that is read is measured.
test("enforcements with large parameters are read a few at a time, and all are written", async () => {
  await query(
    database,
    `insert into enforcement (rule_ref, trigger_ref, config, condition, conditions, event)
     select 'r', 't', jsonb_build_object('n', n, 'x', repeat('abcdefghij', case when n % 2 = 0 then 100000 else 1 end)),
            'all', '[]', n
       from generate_series(1, 40) as n`,
  );
  await query(database, "select retire_partition('enforcement', 'enforcement_from_1')");
  const pageLengths: number[] = [];
  const measured: Database = {
    ...database,
    async query(statement: Query) {
      const result = await database.query(statement);
      const texts = result.rows.map((row) => String(Reflect.get(row, "line")));
      pageLengths.push(texts.join("").length);
      return result;
    },
  };

  const lines = await archive("enforcement", "enforcement_from_1", measured);
  await query(database, "drop table enforcement_from_1");

  expect(lines.map((line) => JSON.parse(line).config.n)).toEqual(Array.from({ length: 40 }, (_, n) => n + 1));
  expect(Math.max(...pageLengths)).toBeLessThan(1_500_000);
});

test("rows with ids of zero and below are archived before they are dropped", async () => {
  const lowest = "-9223372036854775808";
  await query(
    database,
    `insert into event (id, trigger_ref, created)
     select id, 't', now() - interval '40 days' from unnest($1::bigint[]) as id`,
    [[lowest, "-5", "0"]],
  );
  const archived: string[] = [];

  await keepOnce(async (table, partition) => void archived.push(...(await archive(table, partition))));

  // As text: the lowest is no safe number.
  expect(archived.map((line) => /^\{"id":(-?\d+),/.exec(line)?.[1])).toEqual([lowest, "-5", "0"]);
  expect(await query(database, "select id from event")).toEqual([]);
});
