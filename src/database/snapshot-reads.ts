/** Reads for callers outside the agent. Each sees one snapshot of the rows, and one with `read` cannot write. */
import { BoundedTransactions, type TransactionLimits } from "./bounded-transactions.ts";
import type { Database, Query, Queryable } from "./database.ts";

const limitsDefault: TransactionLimits = {
  atOnceMax: 2,
  waitingMax: 64,
  statementMs: 3_000,
  totalMs: 4_000,
};

export class SnapshotReads implements Queryable {
  readonly #transactions: BoundedTransactions;

  constructor(database: Database, limits: Partial<TransactionLimits> = {}) {
    this.#transactions = new BoundedTransactions(database, "read only", { ...limitsDefault, ...limits });
  }

  /** @throws as BoundedTransactions.run */
  async read<T>(work: (rows: Queryable) => Promise<T>): Promise<T> {
    return this.#transactions.run(work);
  }

  /** For a read of one statement. @throws as BoundedTransactions.query */
  async query(query: Query): Promise<{ rows: object[] }> {
    return this.#transactions.query(query);
  }
}
