/**
 * Notices that the database is another server's than before, or the same one's at an earlier time, and lets the
 * sequences of ids leap, so that nothing new has the number, and the `message_id`, of what was lost.
 *
 * It looks at the start, before each block of ids, and whenever there is a new session with the server, since a failover
 * ends the old one. Blocks of ids that processes held before are theirs, as they were.
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
        `the database is another server's than before, after a failover or a restoration: ids go on ${idLeap} ` +
          "further, so that no message has the id of a lost one",
      );
    } catch (error) {
      // Some services that speak PostgreSQL's protocol know no timelines, or keep them from their users.
      if (!isRefusal(error)) throw error;
      this.#isRefused = true;
      this.#logger.warn(
        { reason: String(error) },
        "the server does not say which one it is: after a failover or a restoration, new events may have the ids of lost ones",
      );
    }
  }

  /** The session is new. If there is no answer now, the next block of ids has to wait for one. */
  wake(): void {
    this.look().catch((error: unknown) => {
      this.#logger.debug({ reason: String(error) }, "could not see whether the database is another server's");
    });
  }
}

/** Whether the server answered, and that it will not. */
function isRefusal(error: unknown): boolean {
  const kind = classifyDatabaseError(error);
  return sqlState(error) !== undefined && (kind === "defect" || kind === "rejected-data");
}
