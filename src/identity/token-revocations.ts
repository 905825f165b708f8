/**
 * Revokes tokens, all that are given meanwhile in one statement: a worker that stops ends those of all its sensors at once,
 * and each statement makes every agent read again what it knows of tokens.
 */
import { setImmediate as turn } from "node:timers/promises";
import type { Queryable } from "../database/database.ts";
import { rowOf } from "../database/statement.ts";
import { revokeTokens } from "../database/statements/identities.ts";

interface Batch {
  /** For how long each could be valid, by its id. */
  readonly keepSeconds: Map<string, number>;
  readonly done: Promise<void>;
}

export class TokenRevocations {
  readonly #database: Queryable;
  /** Has not begun and can take more. */
  #next: Batch | undefined;
  /** Settles with the last batch; never rejects. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(database: Queryable) {
    this.#database = database;
  }

  /** Resolves when the row is committed. Rejects if the statement fails, for each whose token was in it. */
  async revoke(jti: string, keepSeconds: number): Promise<void> {
    const batch = (this.#next ??= this.#plan());
    batch.keepSeconds.set(jti, Math.max(keepSeconds, batch.keepSeconds.get(jti) ?? 0));
    await batch.done;
  }

  #plan(): Batch {
    const keepSeconds = new Map<string, number>();
    const done = this.#revokeAfter(this.#last, keepSeconds);
    this.#last = done.catch(() => {});
    return { keepSeconds, done };
  }

  async #revokeAfter(earlier: Promise<unknown>, keepSeconds: ReadonlyMap<string, number>): Promise<void> {
    await earlier;
    await turn();
    this.#next = undefined;
    const revocations = Array.from(keepSeconds, ([jti, seconds]) => ({ jti, keepSeconds: seconds }));
    await rowOf(this.#database, revokeTokens, revocations);
  }
}
