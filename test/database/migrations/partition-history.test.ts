/** Partitioning a database of before, while agents of the earlier version store into it. */
import { expect, test } from "vitest";
import { loadMigrations } from "../../../src/database/migrations/bundled-migrations.ts";
import { migrate } from "../../../src/database/migrations/migrate.ts";
import { openPostgresql } from "../../../src/database/postgresql/postgresql.ts";
import { rowsOf } from "../../../src/database/statement.ts";
import { findDuplicates } from "../../../src/database/statements/stored-batches.ts";
import { silentLogger } from "../../../src/telemetry/logger.ts";
import { query } from "../../support/platform-rows.ts";
import { emptyDatabase } from "../../support/postgres.ts";

/** `ATTUNE_TEST_HISTORY_ROWS=10000000` for the size of years. */
const rowsBefore = Number(process.env["ATTUNE_TEST_HISTORY_ROWS"] ?? 200_000);
/** One statement may take 30 s. */
const rowsAtOnce = 200_000;

const migrations = loadMigrations();
const firstIndex = migrations.findIndex(({ name }) => name === "bound_old_history");

// Goal: an existing database is partitioned without a copy, and no agent waits for it.
// Method: a writer with the statement of the earlier version stores all the time; then everything it stored is looked for.
test("a database with a long history is partitioned while agents store", async () => {
  await using empty = await emptyDatabase();
  await using database = await openPostgresql({ url: empty.url, logger: silentLogger });
  await migrate(database, migrations.slice(0, firstIndex), silentLogger);
  for (let from = 1; from <= rowsBefore; from += rowsAtOnce) {
    const last = Math.min(from + rowsAtOnce - 1, rowsBefore);
    await query(
      database,
      `insert into event (trigger_ref, source_ref, payload, dedup_key, created)
       select 't.' || n % 10, 's', '{"text": "as it was before"}', case when n % 100 = 0 then 'k' || n end,
              now() - interval '60 days' * (1 - n::float / $3)
         from generate_series($1::int, $2::int) as n`,
      [from, last, rowsBefore],
    );
    await query(
      database,
      `insert into enforcement (rule, rule_ref, trigger_ref, event, created)
       select 1, 'r', 't', n, now() from generate_series($1::int, $2::int) as n where n % 2 = 0`,
      [from, last],
    );
  }
  await query(database, "create role attune_test_reader_of_history");
  await query(database, "grant select on event to attune_test_reader_of_history");

  let stored = 0;
  let longestMs = 0;
  let refusal: unknown;
  const writing = (async () => {
    while (refusal === undefined) {
      const startedAtMs = performance.now();
      try {
        await query(
          database,
          `insert into event (trigger_ref, payload, dedup_key) values ('t.live', '{}', $1)
           on conflict (trigger_ref, coalesce(source_ref, ''), dedup_key) where dedup_key is not null do nothing`,
          [`live ${stored + 1}`],
        );
        stored += 1;
        longestMs = Math.max(longestMs, performance.now() - startedAtMs);
      } catch (error) {
        refusal = error;
      }
    }
  })();
  const startedAtMs = performance.now();
  await migrate(database, migrations, silentLogger);
  const seconds = (performance.now() - startedAtMs) / 1_000;
  await writing;
  if (rowsBefore > 200_000)
    process.stdout.write(
      `${rowsBefore} rows in ${seconds} s; ${stored} stored meanwhile, at most ${longestMs} ms each\n`,
    );

  // What the earlier version can no longer do is a fault of the statement, for which agents wait; not of its rows.
  expect(refusal).toMatchObject({ code: "42P10" });
  expect(await query(database, "select count(*)::int as n from event")).toEqual([{ n: rowsBefore + stored }]);
  expect(await query(database, "select count(*)::int as n from enforcement")).toEqual([
    { n: rowsBefore / 2 },
  ]);
  expect(await query(database, "select distinct tableoid::regclass::text as name from event")).toEqual([
    { name: "event_before" },
  ]);
  // Sharing the keys and indexes of before: nothing was built.
  expect(
    await query(
      database,
      "select count(*)::int as n from pg_index where indrelid = 'event_before'::regclass and not indisvalid",
    ),
  ).toEqual([{ n: 0 }]);
  const [next] = await query<{ id: string; name: string }>(
    database,
    "insert into event (trigger_ref) values ('t.new') returning id, tableoid::regclass::text as name",
  );
  expect(next).toEqual({ id: expect.stringMatching(/^\d+0000001$/), name: `event_from_${next?.id}` });

  // The keys of before are known, and the rights of others are the same.
  const keys = [
    { n: 1, trigger_ref: "t.0", source_ref: "s", dedup_key: `k${rowsBefore}` },
    { n: 2, trigger_ref: "t.live", source_ref: null, dedup_key: "live 1" },
    { n: 3, trigger_ref: "t.live", source_ref: null, dedup_key: "none" },
  ];
  expect((await rowsOf(database, findDuplicates, { keys })).map(({ n }) => n)).toEqual([1, 2]);
  expect(
    await query(
      database,
      "select has_table_privilege('attune_test_reader_of_history', 'event', 'select') as may",
    ),
  ).toEqual([{ may: true }]);
  await query(database, "drop owned by attune_test_reader_of_history");
  await query(database, "drop role attune_test_reader_of_history");
}, 3_600_000);
