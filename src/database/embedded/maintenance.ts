/**
 * Replaces PostgreSQL's background processes, which the embedded database lacks: checkpoints, so that the log and the
 * recovery time stay bounded, and vacuum and analyze, so that tables do.
 *
 * Each step blocks other queries, so steps are small and run only when due.
 */
import type { Query } from "../database.ts";
import { rowsOf, type Statement } from "../statement.ts";

type Run = (query: Query) => Promise<{ rows: object[] }>;

/** A checkpoint of 16 MiB of log takes a few tens of milliseconds. */
const logBytesMax = 16 * 1024 * 1024;

const measureLog: Statement<undefined, number> = {
  name: "measure_log",
  text: `
    select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), redo_lsn)::float8 as bytes
      from pg_control_checkpoint()`,
  values: () => [],
  decode: (row) => row.number("bytes"),
};

/** Tables that are due by autovacuum's default thresholds. */
const listNeglectedTables: Statement<{ readonly schema: string }, string> = {
  name: "list_neglected_tables",
  text: `
    select format('%I.%I', schemaname, relname) as name
      from pg_stat_user_tables
     where schemaname = $1
       and (n_dead_tup > 1000 + 0.2 * n_live_tup or n_mod_since_analyze > 1000 + 0.1 * n_live_tup)
     order by n_dead_tup desc`,
  values: ({ schema }) => [schema],
  decode: (row) => row.text("name"),
};

export async function maintain(run: Run, schema: string): Promise<void> {
  const queryable = { query: run };
  // Otherwise counts of the last second are not visible yet.
  await run({ text: "select pg_stat_force_next_flush()" });
  for (const table of await rowsOf(queryable, listNeglectedTables, { schema })) {
    await run({ text: `vacuum (analyze) ${table}` });
  }
  const [bytes = 0] = await rowsOf(queryable, measureLog, undefined);
  if (bytes > logBytesMax) await run({ text: "checkpoint" });
}
