/**
 * Publishes what nobody else will: messages of processes that died, of times without a broker, and
 * about rules changed by plain SQL.
 *
 * A row is claimed by writing this instance into it; from then on it is ours like those we stored
 * ourselves. Claims are taken by one process at a time (see claimMessages), a page at a time, and the
 * next page only after the broker has answered for the last, so that memory stays bounded. A sweep goes
 * once from the lowest id to the highest. So a message that the broker refuses for good, or that cannot be
 * made of its row, stays, holds up none behind it, and is tried again at the next sweep, not at once.
 */
import { WakeableLoop } from "../concurrency/wakeable-loop.ts";
import type { Database } from "../database/database.ts";
import { rowOf, rowsOf } from "../database/statement.ts";
import {
  claimMessages,
  forgetMessages,
  readOwedMessages,
  sweepStart,
  trySweepLock,
  type ClaimedMessage,
  type OwedMessage,
  type SweepPosition,
} from "../database/statements/outbox.ts";
import { enforcementCreated, eventCreated, ruleChanged } from "../messaging/message-types.ts";
import type { MessageTransport, OutgoingMessage } from "../messaging/message-transport.ts";
import { backoffDelayMs } from "../model/backoff.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { Clock } from "../time/clock.ts";

export interface OutboxSweeperOptions {
  readonly database: Database;
  readonly transport: MessageTransport;
  readonly instance: string;
  readonly installationId: string;
  readonly intervalMs: number;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: () => number;
}

const pageLength = 500;

export class OutboxSweeper {
  readonly #options: OutboxSweeperOptions;
  readonly #loop: WakeableLoop;
  #isRefusalTold = false;

  constructor(options: OutboxSweeperOptions) {
    this.#options = options;
    const { intervalMs, clock, random, logger } = options;
    this.#loop = new WakeableLoop({
      step: (signal) => this.#sweep(signal),
      intervalMs,
      retryDelayMs: (failures) =>
        backoffDelayMs(failures, { delayMsFirst: 250, delayMsMax: intervalMs }, random()),
      onFailure: (error, failures) => {
        if (failures === 1) logger.warn({ error }, "could not sweep the outbox; trying again");
      },
      clock,
    });
  }

  wake(): void {
    this.#loop.wake();
  }

  async run(signal: AbortSignal): Promise<void> {
    await this.#loop.run(signal);
  }

  async #sweep(signal: AbortSignal): Promise<void> {
    const { database, transport, metrics, logger } = this.#options;
    // Claiming without a broker would only move rows into a process that may die with them.
    let position = sweepStart;
    let refusal: PromiseRejectedResult | undefined;
    let refusedCount = 0;
    while (!signal.aborted && transport.health().state === "up") {
      const claimed = await this.#claim(position);
      if (claimed.length === 0) break;
      position = beyond(position, claimed);
      const messageIdsClaimed = claimed.map(({ messageId }) => messageId);
      const owed = await rowsOf(database, readOwedMessages, { messageIds: messageIdsClaimed });
      const publishing = Promise.allSettled(owed.map((message) => this.#publish(message)));
      // Without a broker the confirms may never come; those who stop leave the rows to others.
      const answers = await unlessAborted(publishing, signal);
      if (answers === undefined) return;
      const messageIds = answers.flatMap((answer) => (answer.status === "fulfilled" ? [answer.value] : []));
      await rowsOf(database, forgetMessages, { messageIds });
      metrics.messagesSwept(messageIds.length);
      logger.debug(
        { published: messageIds.length, refused: owed.length - messageIds.length },
        "published messages that nobody else would have",
      );
      refusal ??= answers.find((answer) => answer.status === "rejected");
      refusedCount += owed.length - messageIds.length;
    }
    this.#tellRefusal(refusal, refusedCount);
  }

  /** Says once that messages cannot be published, and again after it had ceased. */
  #tellRefusal(refusal: PromiseRejectedResult | undefined, messages: number): void {
    if (refusal !== undefined && !this.#isRefusalTold) {
      this.#options.logger.warn(
        { error: refusal.reason, messages },
        "messages cannot be published; they stay in the outbox and are tried again",
      );
    }
    this.#isRefusalTold = refusal !== undefined;
  }

  async #publish(owed: OwedMessage): Promise<string> {
    const message = outgoingMessage(owed, this.#options.installationId);
    if (message !== undefined) await this.#options.transport.publish(message);
    return owed.messageId;
  }

  #claim(after: SweepPosition): Promise<readonly ClaimedMessage[]> {
    const { database, instance } = this.#options;
    return database.transaction(async (transaction) => {
      const lock = await rowOf(transaction, trySweepLock, undefined);
      if (lock?.isTaken !== true) return [];
      return await rowsOf(transaction, claimMessages, { instance, countMax: pageLength, after });
    });
  }
}

function beyond(position: SweepPosition, claimed: readonly ClaimedMessage[]): SweepPosition {
  let { rule, other } = position;
  for (const { about, messageId } of claimed) {
    if (about === "rule") rule = messageId > rule ? messageId : rule;
    else other = messageId > other ? messageId : other;
  }
  return { rule, other };
}

async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  const aborted = Promise.withResolvers<undefined>();
  const end = (): void => aborted.resolve(undefined);
  signal.addEventListener("abort", end, { once: true });
  if (signal.aborted) end();
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", end);
  }
}

function outgoingMessage(owed: OwedMessage, installationId: string): OutgoingMessage | undefined {
  switch (owed.about) {
    case "event":
      return eventCreated({
        ...owed,
        installationId,
        payloadJson: JSON.stringify(owed.payload),
        configJson: JSON.stringify(owed.config),
        timestampMs: owed.created.getTime(),
      });
    case "enforcement":
      return enforcementCreated({
        ...owed,
        installationId,
        configJson: JSON.stringify(owed.config),
        payloadJson: JSON.stringify(owed.payload),
        timestampMs: owed.created.getTime(),
      });
    case "rule":
      return ruleChanged(installationId, owed.messageId, owed.body);
    case "nothing":
      return undefined;
    case "unreadable":
      throw new Error(`the row of message ${owed.messageId} cannot be read`, { cause: owed.error });
  }
}
