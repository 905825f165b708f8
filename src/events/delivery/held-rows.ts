/**
 * The outbox rows that this process holds, from the moment their messages are sent until the rows are deleted or set aside.
 *
 *   held ──settled──▶ to be deleted | to be set aside ──done in the database──▶ gone
 *     └───released──▶ left in the outbox
 *
 * A deletion commits without waiting for the disk, and many rows share a statement. If the database loses a deletion, its
 * message is published again under the same id.
 *
 * A row can be deleted while a page of the outbox is being read and still be on that page. Rows that went during a reading
 * therefore count as held until every reading has ended.
 */
import { wokenIntervalMs, type WakeableLoop } from "../../concurrency/wakeable-loop.ts";
import type { Database } from "../../database/database.ts";
import { rowsOf } from "../../database/statement.ts";
import { forgetMessages, markRefused, type Refusal } from "../../database/statements/outbox.ts";
import type { Logger } from "../../telemetry/logger.ts";
import { reportedLoop } from "../../telemetry/reported-loop.ts";
import type { Clock } from "../../time/clock.ts";

export interface HeldRowsOptions {
  readonly database: Database;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: () => number;
}

const statementRowsMax = 2_000;
const pauseMs = 50;

export class HeldRows {
  readonly #database: Database;
  readonly #loop: WakeableLoop;
  readonly #held = new Set<string>();
  readonly #toDelete: string[] = [];
  readonly #toSetAside: Refusal[] = [];
  #readings = 0;
  readonly #goneMeanwhile = new Set<string>();
  #onSetAside: () => void = () => {};

  constructor(options: HeldRowsOptions) {
    const { database, clock } = options;
    this.#database = database;
    this.#loop = reportedLoop(
      {
        texts: {
          begins: "could not delete confirmed messages from the outbox; trying again",
          ends: "confirmed messages are deleted from the outbox again",
        },
        step: async (signal) => {
          await this.flush();
          // Nobody waits for a deletion; one statement for many costs the database far less than many.
          await clock.sleep(pauseMs, signal);
        },
        intervalMs: wokenIntervalMs,
        retry: { delayMsFirst: 100, delayMsMax: 5_000 },
      },
      options,
    );
  }

  /** @param listener called when rows have been set aside */
  whenSetAside(listener: () => void): void {
    this.#onSetAside = listener;
  }

  /** Rows to be deleted. */
  get toDeleteCount(): number {
    return this.#toDelete.length;
  }

  has(messageId: string): boolean {
    return this.#held.has(messageId);
  }

  /** Whether a row that was read is held, or went during the reading. */
  hasOrHad(messageId: string): boolean {
    return this.#held.has(messageId) || this.#goneMeanwhile.has(messageId);
  }

  hold(messageId: string): void {
    this.#held.add(messageId);
  }

  /** Leaves the row to be read again. */
  release(messageId: string): void {
    this.#held.delete(messageId);
  }

  /** Deletes the row, or sets it aside, because its message is sent or cannot be made. */
  settle(messageId: string, refusal?: Refusal): void {
    this.#held.add(messageId);
    const length = refusal === undefined ? this.#toDelete.push(messageId) : this.#toSetAside.push(refusal);
    // The step that handles the first also handles those behind it.
    if (length === 1) this.#loop.wake();
  }

  /** Reads rows of the outbox; `hasOrHad` tells which of them to ignore. */
  async whileReading<T>(read: () => Promise<T>): Promise<T> {
    this.#readings += 1;
    try {
      return await read();
    } finally {
      this.#readings -= 1;
      if (this.#readings === 0) this.#goneMeanwhile.clear();
    }
  }

  /** Deletes and sets aside what is settled, until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    await this.#loop.run(signal);
  }

  /** Deletes and sets aside everything that is settled now. */
  async flush(): Promise<void> {
    const { relaxed } = this.#database;
    while (this.#toDelete.length > 0) {
      const messageIds = this.#toDelete.slice(0, statementRowsMax);
      await rowsOf(relaxed, forgetMessages, { messageIds });
      this.#toDelete.splice(0, messageIds.length);
      this.#letGo(messageIds);
    }
    while (this.#toSetAside.length > 0) {
      const refusals = this.#toSetAside.slice(0, statementRowsMax);
      await rowsOf(relaxed, markRefused, { refusals });
      this.#toSetAside.splice(0, refusals.length);
      this.#letGo(refusals.map(({ messageId }) => messageId));
      this.#onSetAside();
    }
  }

  #letGo(messageIds: readonly string[]): void {
    for (const messageId of messageIds) {
      this.#held.delete(messageId);
      if (this.#readings > 0) this.#goneMeanwhile.add(messageId);
    }
  }
}
