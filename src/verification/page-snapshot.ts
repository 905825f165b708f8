/** The snapshot that one page is read in: rows that were committed together are seen together. */
import type { Queryable } from "../database/database.ts";
import type { VerifyOptions } from "./verify-options.ts";

/** A statement reads one page, on a busy server, too. */
const statementMs = 60_000;

/** The work can only read. */
export async function snapshot<T>(
  { database }: VerifyOptions,
  work: (rows: Queryable) => Promise<T>,
): Promise<T> {
  return database.transaction(async (rows) => {
    await rows.query({
      text: `set transaction isolation level repeatable read, read only;
             set local statement_timeout = ${statementMs}`,
      timeoutMs: statementMs,
    });
    return work(rows);
  });
}
