/**
 * How many messages the outbox holds, kept in memory for the agent's health report.
 *
 * The same statement as for the metrics and the doctor: bounded, and asked every few seconds however often the
 * health is. It is the whole installation's number, since any worker may publish what another has stored.
 */
import { WakeableLoop } from "../../concurrency/wakeable-loop.ts";
import type { Queryable } from "../../database/database.ts";
import { rowOf } from "../../database/statement.ts";
import { measureOutbox } from "../../database/statements/outbox.ts";
import type { Clock } from "../../time/clock.ts";

export interface OwedCount {
  readonly messages: number;
  /** Monotonic milliseconds at which it was counted. */
  readonly countedAtMs: number;
}

export interface OwedMessagesOptions {
  readonly database: Queryable;
  readonly clock: Clock;
}

const intervalMs = 5_000;

export class OwedMessages {
  readonly #loop: WakeableLoop;
  #count: OwedCount | undefined;

  constructor({ database, clock }: OwedMessagesOptions) {
    this.#loop = new WakeableLoop({
      step: async () => {
        const backlog = await rowOf(database, measureOutbox, undefined);
        this.#count = { messages: backlog?.depth ?? 0, countedAtMs: clock.monotonicMs() };
      },
      intervalMs,
      retryDelayMs: () => intervalMs,
      // The health of the database reports the outage, and the count carries its age.
      onFailure: () => {},
      clock,
    });
  }

  /** Undefined until it was counted once. */
  get count(): OwedCount | undefined {
    return this.#count;
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#loop.run(signal);
  }
}
