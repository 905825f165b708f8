/**
 * Reads for callers outside the agent. Each sees one snapshot of the rows, cannot write, and is bounded in time. Few
 * run at once, so that however many callers ask, the connections are left to events, rules and sensors.
 *
 *     waiting ──a place is free──▶ reading ──▶ done
 *        └──────────────┴── time is up: the caller gets a ConnectionError; a read under way keeps its
 *                           place until its connection is done with it
 */
import { settlesWithin } from "../concurrency/settles-within.ts";
import { OperatorError } from "../errors/operator-error.ts";
import type { Database, Queryable } from "./database.ts";
import { ConnectionError } from "./errors.ts";

export interface SnapshotReadLimits {
  readonly atOnceMax: number;
  readonly waitingMax: number;
  /** After which the server gives up a statement. */
  readonly statementMs: number;
  /** Waiting and reading together. */
  readonly totalMs: number;
}

const limitsDefault: SnapshotReadLimits = {
  atOnceMax: 2,
  waitingMax: 64,
  statementMs: 3_000,
  totalMs: 4_000,
};

export class SnapshotReads {
  readonly #database: Database;
  readonly #limits: SnapshotReadLimits;
  /** Each continues one read that waits for a place. */
  readonly #waiting: (() => void)[] = [];
  #reading = 0;

  constructor(database: Database, limits: Partial<SnapshotReadLimits> = {}) {
    this.#database = database;
    this.#limits = { ...limitsDefault, ...limits };
  }

  /**
   * @throws OperatorError UNAVAILABLE when too many reads are waiting
   * @throws ConnectionError when the time is up, besides what the work and the database throw
   */
  async read<T>(work: (rows: Queryable) => Promise<T>): Promise<T> {
    const { atOnceMax, waitingMax, totalMs } = this.#limits;
    if (this.#reading >= atOnceMax && this.#waiting.length >= waitingMax) throw tooMany(waitingMax);
    const caller = { hasLeft: false };
    const result = this.#inTurn(async () => {
      if (caller.hasLeft) throw timeIsUp(totalMs);
      return this.#database.transaction((rows) => this.#readSnapshot(rows, work));
    });
    if (await settlesWithin(result, totalMs)) return result;
    caller.hasLeft = true;
    throw timeIsUp(totalMs);
  }

  async #inTurn<T>(read: () => Promise<T>): Promise<T> {
    if (this.#reading >= this.#limits.atOnceMax) {
      // The one that ends hands its place on.
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else {
      this.#reading += 1;
    }
    try {
      return await read();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#reading -= 1;
      else next();
    }
  }

  async #readSnapshot<T>(rows: Queryable, work: (rows: Queryable) => Promise<T>): Promise<T> {
    await rows.query({
      text: `set transaction isolation level repeatable read, read only;
             set local statement_timeout = ${this.#limits.statementMs}`,
    });
    return work(rows);
  }
}

function tooMany(waitingMax: number): OperatorError {
  return new OperatorError({
    code: "UNAVAILABLE",
    attempt: "read from the database",
    reason: `${waitingMax} reads are waiting`,
    remedy: "ask again later",
  });
}

function timeIsUp(totalMs: number): ConnectionError {
  return new ConnectionError(`no answer within ${totalMs} ms`, "nothing-done");
}
