/**
 * Transactions for callers outside the agent, each with a time limit. Only a few run at once, so that events, rules and
 * sensors always have connections, however many callers there are.
 *
 *     waiting ──a slot is free──▶ running ──▶ done
 *        └──────────────┴── timed out: the caller gets a ConnectionError; a transaction in progress keeps its slot
 *                           until its connection is done with it
 */
import { settlesWithin } from "../concurrency/settles-within.ts";
import { OperatorError } from "../errors/operator-error.ts";
import type { Database, Query, Queryable } from "./database.ts";
import { classifyDatabaseError, ConnectionError } from "./errors.ts";

export interface TransactionLimits {
  readonly atOnceMax: number;
  readonly waitingMax: number;
  /** After which the server cancels a statement. */
  readonly statementMs: number;
  /** For waiting and running together. */
  readonly totalMs: number;
}

export class BoundedTransactions implements Queryable {
  readonly #database: Database;
  readonly #limits: TransactionLimits;
  readonly #mode: "read only" | "read write";
  /** Each continues one transaction that is waiting for a slot. */
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  /** @param mode "read only": each sees one snapshot of the rows and cannot write */
  constructor(database: Database, mode: "read only" | "read write", limits: TransactionLimits) {
    this.#database = database;
    this.#mode = mode;
    this.#limits = limits;
  }

  /**
   * @param work may run again, if another transaction was in its way
   * @throws OperatorError UNAVAILABLE if too many are waiting
   * @throws ConnectionError if it times out; and anything that the work and the database throw
   */
  async run<T>(work: (rows: Queryable) => Promise<T>): Promise<T> {
    return await this.#limited(() =>
      this.#repeated(() => this.#database.transaction((rows) => this.#bounded(rows, work))),
    );
  }

  /**
   * One statement without a transaction around it, which would be six statements. It sees one snapshot anyway. The server
   * cancels it only after the database's own limit, and until then it keeps its slot.
   *
   * @throws as `run`
   */
  async query(query: Query): Promise<{ rows: object[] }> {
    return await this.#limited(() => this.#database.query(query));
  }

  async #limited<T>(run: () => Promise<T>): Promise<T> {
    const { atOnceMax, waitingMax, totalMs } = this.#limits;
    if (this.#running >= atOnceMax && this.#waiting.length >= waitingMax) throw tooMany(waitingMax);
    const caller = { hasLeft: false };
    const result = this.#inTurn(async () => {
      if (caller.hasLeft) throw timeIsUp(totalMs);
      return run();
    });
    if (await settlesWithin(result, totalMs)) return result;
    caller.hasLeft = true;
    throw timeIsUp(totalMs);
  }

  async #inTurn<T>(run: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#limits.atOnceMax) {
      // A finished transaction passes its slot on.
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else {
      this.#running += 1;
    }
    try {
      return await run();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }

  /** A deadlock with plain SQL ends one of the two; this one then runs again. */
  async #repeated<T>(run: () => Promise<T>, repetitions = 2): Promise<T> {
    try {
      return await run();
    } catch (error) {
      if (repetitions === 0 || classifyDatabaseError(error) !== "conflict") throw error;
      return this.#repeated(run, repetitions - 1);
    }
  }

  async #bounded<T>(rows: Queryable, work: (rows: Queryable) => Promise<T>): Promise<T> {
    const isolation =
      this.#mode === "read only" ? "isolation level repeatable read, read only" : "read write";
    await rows.query({
      text: `set transaction ${isolation};
             set local statement_timeout = ${this.#limits.statementMs}`,
    });
    return work(rows);
  }
}

function tooMany(waitingMax: number): OperatorError {
  return new OperatorError({
    code: "UNAVAILABLE",
    attempt: "use the database for a request",
    reason: `${waitingMax} requests are waiting`,
    remedy: "ask again later",
  });
}

function timeIsUp(totalMs: number): ConnectionError {
  return new ConnectionError(`no answer within ${totalMs} ms`, "nothing-done");
}
