/**
 * How many messages the outbox holds, kept in memory for the agent's health report.
 *
 * The same statement as for the metrics and the doctor: bounded, and asked at most every few seconds, however often the
 * health is. While nobody asks for the health, nothing is counted. It is the whole installation's number, since any worker
 * may publish what another has stored.
 */
import { settlesWithin } from "../../concurrency/settles-within.ts";
import type { Database } from "../../database/database.ts";
import { rowOf } from "../../database/statement.ts";
import { measureOutbox } from "../../database/statements/outbox.ts";
import type { Clock } from "../../time/clock.ts";

export interface OwedCount {
  readonly messages: number;
  /** Monotonic milliseconds at which it was counted. */
  readonly countedAtMs: number;
}

export interface OwedMessagesOptions {
  readonly database: Pick<Database, "relaxed">;
  readonly clock: Clock;
}

const freshMs = 5_000;
/** A database that does not answer must not delay the health report. */
const waitMs = 500;

export class OwedMessages {
  readonly #options: OwedMessagesOptions;
  #count: OwedCount | undefined;
  #counting: Promise<void> | undefined;

  constructor(options: OwedMessagesOptions) {
    this.#options = options;
  }

  /** Undefined until it was counted once. */
  get count(): OwedCount | undefined {
    return this.#count;
  }

  /** Counts again if the last count is old, and waits a moment for the result. */
  async refresh(): Promise<void> {
    if (this.#count !== undefined && this.#ageMs(this.#count) < freshMs) return;
    this.#counting ??= this.#countNow().finally(() => (this.#counting = undefined));
    await settlesWithin(this.#counting, waitMs);
  }

  #ageMs({ countedAtMs }: OwedCount): number {
    return this.#options.clock.monotonicMs() - countedAtMs;
  }

  async #countNow(): Promise<void> {
    const { database, clock } = this.#options;
    try {
      const backlog = await rowOf(database.relaxed, measureOutbox, undefined);
      this.#count = { messages: backlog?.depth ?? 0, countedAtMs: clock.monotonicMs() };
    } catch {
      // The health of the database reports the outage, and the count carries its age.
    }
  }
}
