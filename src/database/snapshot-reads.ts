/** Reads for callers outside the agent. Each sees one snapshot of the rows and cannot write. */
import { BoundedTransactions, type TransactionLimits } from "./bounded-transactions.ts";
import type { Database, Queryable } from "./database.ts";

const limitsDefault: TransactionLimits = {
  atOnceMax: 2,
  waitingMax: 64,
  statementMs: 3_000,
  totalMs: 4_000,
};

export class SnapshotReads {
  readonly #transactions: BoundedTransactions;

  constructor(database: Database, limits: Partial<TransactionLimits> = {}) {
    this.#transactions = new BoundedTransactions(database, "read only", { ...limitsDefault, ...limits });
  }

  /** @throws as BoundedTransactions.run */
  async read<T>(work: (rows: Queryable) => Promise<T>): Promise<T> {
    return this.#transactions.run(work);
  }
}
