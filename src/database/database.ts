/**
 * The database as the rest of the code sees it. Two implementations stand behind it, PostgreSQL and an
 * embedded PostgreSQL, held to one conformance suite (test/database/conformance.ts); nothing outside
 * this folder knows which one it talks to.
 */
import type { PartHealth } from "../telemetry/part-health.ts";

export interface Queryable {
  /** Runs one statement. A named statement is prepared once per connection. */
  query(query: { name?: string; text: string; values?: unknown[] }): Promise<{ rows: object[] }>;
}

export interface Database extends Queryable, AsyncDisposable {
  readonly kind: "postgresql" | "embedded";
  readonly schema: string;
  /** For people: host, port and database name, or the data directory; never credentials. */
  readonly address: string;

  /** Begins, works, commits; rolls back when the work throws. */
  transaction<T>(work: (transaction: Queryable) => Promise<T>): Promise<T>;

  /**
   * A queryable for statements whose loss in a crash of the database costs only a repetition: they
   * commit without waiting for the disk.
   */
  readonly relaxed: Queryable;

  /**
   * Calls back for every notification on `channel`, and once whenever the subscription is (again)
   * established, since anything may have been missed before. Survives reconnection. A notification
   * is a hint: payloads may repeat, merge or be lost.
   */
  listen(channel: string, onHint: (payload: string | undefined) => void): Promise<AsyncDisposable>;

  /**
   * Takes the session lock of that name, held until released or until this process's connection
   * ends. Resolves with undefined when another session holds it. `isHeld` turns false when the
   * connection that held it was lost.
   */
  tryLock(name: string): Promise<HeldLock | undefined>;

  health(): PartHealth;
}

export interface HeldLock extends AsyncDisposable {
  readonly isHeld: boolean;
}
