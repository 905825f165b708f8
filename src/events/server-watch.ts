/**
 * Detects a failover or a restore and advances the id sequences, so that no new event or message reuses a lost id.
 *
 * It checks at the start, before each block of ids, and in each new session with the server, because a failover ends the
 * old one. Blocks of ids that processes already hold stay theirs.
 */
import type { Queryable } from "../database/database.ts";
import { classifyDatabaseError, sqlState } from "../database/errors.ts";
import { rowOf } from "../database/statement.ts";
import { idLeap, noteServer } from "../database/statements/id-sequences.ts";
import type { Logger } from "../telemetry/logger.ts";

export interface ServerWatchOptions {
  readonly database: Queryable;
  readonly logger: Logger;
}

export class ServerWatch {
  readonly #database: Queryable;
  readonly #logger: Logger;
  #isRefused = false;

  constructor({ database, logger }: ServerWatchOptions) {
    this.#database = database;
    this.#logger = logger;
  }

  /** Rejects when the database does not answer. */
  async look(): Promise<void> {
    if (this.#isRefused) return;
    try {
      const noted = await rowOf(this.#database, noteServer, { leap: idLeap });
      if (noted?.hasLeapt !== true) return;
      this.#logger.warn(
        {},
        `the database server has changed after a failover or a restore; skipped ${idLeap} ids, ` +
          "so that no message reuses the id of a lost one",
      );
    } catch (error) {
      // Some services that speak PostgreSQL's protocol know no timelines, or keep them from their users.
      if (!isRefusal(error)) throw error;
      this.#isRefused = true;
      this.#logger.warn(
        { reason: String(error) },
        "the server does not identify itself; after a failover or a restore, new events may reuse the ids of lost ones",
      );
    }
  }

  /** The session is new. If there is no answer now, the next block of ids has to wait for one. */
  wake(): void {
    this.look().catch((error: unknown) => {
      this.#logger.debug(
        { reason: String(error) },
        "could not check whether the database server has changed",
      );
    });
  }
}

/** Whether the server answered, and that it will not. */
function isRefusal(error: unknown): boolean {
  const kind = classifyDatabaseError(error);
  return sqlState(error) !== undefined && (kind === "defect" || kind === "rejected-data");
}
