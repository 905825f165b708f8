/**
 * The database as the rest of the code sees it. It has two implementations, a PostgreSQL server and an embedded
 * PostgreSQL, which pass one conformance suite (test/database/conformance.ts). Code outside this folder does not know
 * which one it uses.
 *
 * Both return the same values: `bigint` and `numeric` as decimal text, `timestamptz` as Date, `json` and `jsonb` parsed,
 * `date`, `timestamp` and `interval` as the server's text, arrays as arrays. Both take the same parameters: pass JSON as
 * text (`JSON.stringify`), because an array is passed as an SQL array.
 */
import type { PartHealth } from "../telemetry/part-health.ts";

export interface Query {
  /** A named statement is prepared once per connection; one name always means one text. */
  readonly name?: string;
  /** One statement. Without `values` and `name` it may be several; the rows are those of the last. */
  readonly text: string;
  readonly values?: unknown[];
  /** Replaces the database's own limit, for statements that are inherently slow. */
  readonly timeoutMs?: number;
}

/** For results that are too large to be in memory. */
export interface RowReader {
  /**
   * Runs one statement and calls back for each row as it arrives, with its columns in order. While the caller is busy, the
   * server waits with the rows behind it, and that counts towards the statement's time limit.
   *
   * @throws what the callback throws, once the statement has ended
   */
  eachRow(query: Query, onRow: (columns: readonly unknown[]) => void): Promise<void>;
}

export interface Queryable {
  /** Runs one statement. Failures: see errors.ts. */
  query(query: Query): Promise<{ rows: object[] }>;
}

export interface Database extends Queryable, AsyncDisposable {
  readonly kind: "postgresql" | "embedded";
  readonly schema: string;
  /** For messages: host, port and database name, or the data directory; never credentials. */
  readonly address: string;

  /**
   * Runs the work in a transaction and commits; rolls back if the work throws. The work must use only the transaction: a
   * query on the database itself would wait for the work to end, in the embedded database forever.
   */
  transaction<T>(work: (transaction: Queryable) => Promise<T>): Promise<T>;

  /**
   * For statements that can simply be repeated if a crash of the database loses them: they commit without waiting for the
   * disk. They are planned by indexes, so they should find their rows by key or read them in its order.
   */
  readonly relaxed: Queryable;

  /**
   * Only for the renewal of leases, so that it waits for no slow statement of this process: like `relaxed`, on the
   * connection of subscriptions and session locks, with short timeouts for the server and for locks. Each answer shows
   * that notifications can still arrive.
   */
  readonly reserved: Queryable;

  /**
   * Calls back for every notification on `channel`, and once whenever the subscription is established or
   * re-established, because notifications may have been missed. Survives reconnection. A notification is a hint:
   * payloads may repeat, merge or be lost.
   */
  listen(channel: string, onHint: (payload: string | undefined) => void): Promise<AsyncDisposable>;

  /**
   * Takes the session lock with that name, held until released or until this process's connection ends. Resolves with
   * undefined if another session, or another holder in this process, holds it. `isHeld` becomes false when the
   * connection that held it is lost.
   */
  tryLock(name: string): Promise<HeldLock | undefined>;

  health(): PartHealth;
}

export interface HeldLock extends AsyncDisposable {
  readonly isHeld: boolean;
}
