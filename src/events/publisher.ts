/**
 * Sends the messages of committed events and forgets their outbox rows once the broker has them.
 *
 * The model. A message is, seen from this process,
 *
 *   sent ──confirmed──▶ to be forgotten ──deleted──▶ gone
 *
 * Storing never waits for the broker. While `inFlightMax` messages are sent and unconfirmed, or the broker is
 * down, the rows of a batch are left to the sweeper, so that nothing piles up in memory.
 *
 * A row is deleted only after the confirm. A crash in between, or a deletion lost by the database (it
 * commits without waiting for the disk), sends the message again under the same id.
 */
import { WakeableLoop } from "../concurrency/wakeable-loop.ts";
import type { Database } from "../database/database.ts";
import { classifyDatabaseError } from "../database/errors.ts";
import { rowsOf } from "../database/statement.ts";
import { disownMessages, forgetMessages } from "../database/statements/outbox.ts";
import type { MessageTransport, OutgoingMessage } from "../messaging/message-transport.ts";
import { backoffDelayMs } from "../model/backoff.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { Clock } from "../time/clock.ts";
import type { MessageOutlet } from "./batch-outcomes.ts";

export interface PublisherOptions {
  readonly database: Database;
  readonly transport: MessageTransport;
  /** This process's instance, the owner of the rows it will publish. */
  readonly instance: string;
  readonly inFlightMax: number;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: () => number;
}

interface SentBatch {
  unsettled: number;
  confirmed: number;
  readonly sentAtMs: number;
}

const forgetCountMax = 2_000;
const forgetPauseMs = 50;
const brokerCheckMs = 250;

export class Publisher implements MessageOutlet {
  readonly #options: PublisherOptions;
  readonly #forgetting: WakeableLoop;
  #toForget: string[] = [];
  #inFlight = 0;
  #waitForChange: PromiseWithResolvers<void> | undefined;

  constructor(options: PublisherOptions) {
    this.#options = options;
    const { clock, random, logger } = options;
    this.#forgetting = new WakeableLoop({
      step: async (signal) => {
        await this.#forget();
        // Nobody waits for a deletion; one statement for many costs the database far less than many.
        await clock.sleep(forgetPauseMs, signal);
      },
      intervalMs: 60_000,
      retryDelayMs: (failures) =>
        backoffDelayMs(failures, { delayMsFirst: 100, delayMsMax: 5_000 }, random()),
      onFailure: (error, failures) => {
        if (failures === 1)
          logger.warn({ error }, "could not delete confirmed messages from the outbox; trying again");
      },
      clock,
    });
  }

  /** Messages sent and not yet confirmed. */
  get inFlightCount(): number {
    return this.#inFlight;
  }

  publisherInstance(): string | null {
    const { inFlightMax, transport, instance } = this.#options;
    const hasRoom = this.#inFlight < inFlightMax;
    return hasRoom && transport.health().state === "up" ? instance : null;
  }

  send(messages: readonly OutgoingMessage[], acceptedAtMs: readonly number[]): void {
    this.#inFlight += messages.length;
    const batch = { unsettled: messages.length, confirmed: 0, sentAtMs: this.#options.clock.monotonicMs() };
    for (const [index, message] of messages.entries())
      void this.#publish(message, acceptedAtMs[index] ?? 0, batch);
  }

  /** Deletes what is confirmed, until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    await this.#forgetting.run(signal);
  }

  /** Waits for the confirms under way, at most until the signal aborts, then leaves the rest to others. */
  async drain(signal: AbortSignal): Promise<void> {
    while (this.#inFlight > 0 && !signal.aborted) {
      await Promise.race([this.#change(), this.#options.clock.sleep(brokerCheckMs, signal)]);
    }
    const { database, instance, logger } = this.#options;
    try {
      await this.#forget();
      await rowsOf(database, disownMessages, { instance });
    } catch (error) {
      if (classifyDatabaseError(error) === "defect") throw error;
      // Found by the instance once its lease has run out.
      logger.warn({ error }, "could not hand over messages that are owed; others find them a little later");
    }
  }

  async #publish(message: OutgoingMessage, acceptedAtMs: number, batch: SentBatch): Promise<void> {
    const { transport, metrics, clock } = this.#options;
    try {
      await transport.publish(message);
      metrics.eventConfirmedAfter((clock.monotonicMs() - acceptedAtMs) / 1_000);
      batch.confirmed += 1;
      this.#toForget.push(message.messageId);
    } catch {
      // Closed, or refused for good (the transport says so): the row stays, and a sweeper tries again.
    }
    batch.unsettled -= 1;
    if (batch.unsettled === 0) {
      metrics.messagesConfirmed(batch.confirmed, (clock.monotonicMs() - batch.sentAtMs) / 1_000);
    }
    this.#inFlight -= 1;
    this.#waitForChange?.resolve();
    this.#waitForChange = undefined;
    this.#forgetting.wake();
  }

  #change(): Promise<void> {
    this.#waitForChange ??= Promise.withResolvers<void>();
    return this.#waitForChange.promise;
  }

  async #forget(): Promise<void> {
    while (this.#toForget.length > 0) {
      const messageIds = this.#toForget.splice(0, forgetCountMax);
      try {
        await rowsOf(this.#options.database.relaxed, forgetMessages, { messageIds });
      } catch (error) {
        this.#toForget.unshift(...messageIds);
        throw error;
      }
    }
  }
}
