/**
 * The database as the rest of the code sees it. Two implementations stand behind it, PostgreSQL and an
 * embedded PostgreSQL, held to one conformance suite (test/database/conformance.ts); nothing outside
 * this folder knows which one it talks to.
 *
 * Values come back alike from both: `bigint` and `numeric` as decimal text, `timestamptz` as Date,
 * `json` and `jsonb` parsed, `date`, `timestamp` and `interval` as the server's text, arrays as arrays.
 * Parameters go in alike too: pass JSON as text (`JSON.stringify`), since an array given as it is means
 * an SQL array.
 */
import type { PartHealth } from "../telemetry/part-health.ts";

export interface Query {
  /** A named statement is prepared once per connection; one name always means one text. */
  readonly name?: string;
  /** One statement; without `values` and `name` it may be several, and the rows are the last one's. */
  readonly text: string;
  readonly values?: unknown[];
  /** Instead of the database's own limit, for statements that are slow by nature. */
  readonly timeoutMs?: number;
}

export interface Queryable {
  /** Runs one statement. Failures: see errors.ts. */
  query(query: Query): Promise<{ rows: object[] }>;
}

export interface Database extends Queryable, AsyncDisposable {
  readonly kind: "postgresql" | "embedded";
  readonly schema: string;
  /** For people: host, port and database name, or the data directory; never credentials. */
  readonly address: string;

  /**
   * Begins, works, commits; rolls back when the work throws. The work uses the transaction alone: a
   * query on the database itself would wait, in the embedded one for ever, for the work to end.
   */
  transaction<T>(work: (transaction: Queryable) => Promise<T>): Promise<T>;

  /**
   * A queryable for statements whose loss in a crash of the database costs only a repetition: they
   * commit without waiting for the disk.
   */
  readonly relaxed: Queryable;

  /**
   * For the renewal of leases alone, so that it waits for no other statement of this process: as `relaxed`, on a
   * connection of its own, and with little patience for the server and for locks.
   */
  readonly reserved: Queryable;

  /**
   * Calls back for every notification on `channel`, and once whenever the subscription is (again)
   * established, since anything may have been missed before. Survives reconnection. A notification
   * is a hint: payloads may repeat, merge or be lost.
   */
  listen(channel: string, onHint: (payload: string | undefined) => void): Promise<AsyncDisposable>;

  /**
   * Takes the session lock of that name, held until released or until this process's connection
   * ends. Resolves with undefined when another session, or another holder in this process, holds it.
   * `isHeld` turns false when the connection that held it was lost.
   */
  tryLock(name: string): Promise<HeldLock | undefined>;

  health(): PartHealth;
}

export interface HeldLock extends AsyncDisposable {
  readonly isHeld: boolean;
}
