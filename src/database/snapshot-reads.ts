/**
 * Reads for callers outside the agent. Each sees one snapshot of the rows, cannot write, and has a time limit. Only a few
 * run at once, so that events, rules and sensors always have connections, however many callers there are.
 *
 *     waiting ──a slot is free──▶ reading ──▶ done
 *        └──────────────┴── timed out: the caller gets a ConnectionError; a read in progress keeps its slot
 *                           until its connection is done with it
 */
import { settlesWithin } from "../concurrency/settles-within.ts";
import { OperatorError } from "../errors/operator-error.ts";
import type { Database, Queryable } from "./database.ts";
import { ConnectionError } from "./errors.ts";

export interface SnapshotReadLimits {
  readonly atOnceMax: number;
  readonly waitingMax: number;
  /** After which the server cancels a statement. */
  readonly statementMs: number;
  /** For waiting and reading together. */
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
  /** Each continues one read that is waiting for a slot. */
  readonly #waiting: (() => void)[] = [];
  #reading = 0;

  constructor(database: Database, limits: Partial<SnapshotReadLimits> = {}) {
    this.#database = database;
    this.#limits = { ...limitsDefault, ...limits };
  }

  /**
   * @throws OperatorError UNAVAILABLE if too many reads are waiting
   * @throws ConnectionError if it times out; and anything that the work and the database throw
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
      // A finished read passes its slot on.
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
