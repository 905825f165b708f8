/**
 * Sends the messages of committed events, forgets their outbox rows once the broker has them, and sets those apart
 * that it refuses.
 *
 * The model. A message is, seen from this process, left or held:
 *
 *   left   only the outbox has it; the sweeper reads it back
 *   held   in flight ──confirmed──▶ to be deleted ──deleted──▶ gone
 *             │  └────refused────▶ to be set apart ──set apart──▶ RefusedMessages tries it again
 *             └──transport closed─▶ left
 *
 * Storing never waits for the broker, and memory is bounded. So there are two modes:
 *
 *   direct   what was just stored is sent from memory
 *   behind   what is stored is left: because too much is in flight, or because others come first. The sweeper reads
 *            and sends what is left, in order of id, until it has caught up
 *
 * The way back. Messages are stored faster than one reads, so that the last page would never be the last. Hence the
 * messages left during a round of reading are kept, if they are not too many: when the round found everything that was
 * stored before it began, these are all that remains, and they are sent from memory (`catchUp`).
 *
 * Invariants: the messages of one kind that this process stored reach the transport in order of id, those that are sent
 * again apart; a row is deleted only after the confirm. A crash in between, or a deletion lost by the database (it
 * commits without waiting for the disk), sends the message again under the same id.
 */
import { WakeableLoop } from "../concurrency/wakeable-loop.ts";
import type { Database } from "../database/database.ts";
import { classifyDatabaseError } from "../database/errors.ts";
import { rowsOf } from "../database/statement.ts";
import {
  forgetMessages,
  markRefused,
  releaseMessages,
  type MessageKind,
  type Refusal,
} from "../database/statements/outbox.ts";
import {
  MessageRefusedError,
  type MessageTransport,
  type OutgoingMessage,
} from "../messaging/message-transport.ts";
import { backoffDelayMs } from "../model/backoff.ts";
import { messageKindOf } from "../model/identifiers.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { Clock } from "../time/clock.ts";
import type { MessageOutlet } from "./batch-outcomes.ts";
import type { DeliveryRecord } from "./delivery-record.ts";
import { RecentMessages, type RecentMessage } from "./recent-messages.ts";

export interface PublisherOptions {
  readonly database: Database;
  readonly transport: MessageTransport;
  /** This process's instance, the owner of the rows it stores. */
  readonly instance: string;
  /** Messages sent and not yet confirmed, beyond which no more are read back. */
  readonly inFlightMax: number;
  readonly deliveries: DeliveryRecord;
  readonly onLeft: (left: LeftMessages) => void;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: () => number;
}

/** Messages of this process that were left to be read from the outbox, from this id on. */
export interface LeftMessages {
  readonly kind: MessageKind;
  readonly fromId: string;
  /** Whether they are in memory as well, in case that reading catches up now. */
  readonly isKept: boolean;
}

interface SentBatch {
  unsettled: number;
  confirmed: number;
  readonly sentAtMs: number;
}

type Outcome = "confirmed" | "refused" | "left";

interface Behind {
  /** The lowest id of each kind that was left. */
  readonly ownFrom: Map<MessageKind, string>;
  /** What was left since the round of reading began. */
  recent: RecentMessages;
}

/** Enough to smooth what database and broker do at different moments; beyond it the outbox is the better place. */
const directCountFactor = 4;
const heldBytesMax = 16 * 1024 * 1024;
const unforgottenMax = 20_000;
const forgetCountMax = 2_000;
const forgetPauseMs = 50;
const brokerCheckMs = 250;

export class Publisher implements MessageOutlet {
  readonly #options: PublisherOptions;
  readonly #forgetting: WakeableLoop;
  readonly #held = new Set<string>();
  #inFlight = 0;
  #bytesInFlight = 0;
  #toForget: string[] = [];
  #toSetApart: Refusal[] = [];
  #behind: Behind | undefined;
  /** Of the round of reading under way. */
  readonly #readBack = new Set<string>();
  #readings = 0;
  readonly #settledMeanwhile = new Set<string>();
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

  /** About the memory that the bodies of messages in flight take. */
  get bytesInFlight(): number {
    return this.#bytesInFlight;
  }

  get isBehind(): boolean {
    return this.#behind !== undefined;
  }

  get instance(): string {
    return this.#options.instance;
  }

  send(messages: readonly OutgoingMessage[], acceptedAtMs: readonly number[]): void {
    const recent = messages.map((message, index) => ({ message, acceptedAtMs: acceptedAtMs[index] ?? 0 }));
    if (this.#behind === undefined && this.#hasRoomFor(messages)) {
      this.#sendAll(recent);
      return;
    }
    this.#leave(
      messages.map(({ messageId }) => messageId),
      { isKept: true },
    );
    this.#behind?.recent.add(recent);
  }

  leave(messageIds: readonly string[]): void {
    this.#leave(messageIds, { isKept: false });
  }

  /** Leaves what is stored from now on to the sweeper, until it has caught up. */
  fallBehind(): void {
    this.#behind ??= { ownFrom: new Map(), recent: this.#nothingRecent() };
  }

  /** From which id on messages of this process were left; null: none of them. */
  ownFrom(kind: MessageKind): string | null {
    return this.#behind?.ownFrom.get(kind) ?? null;
  }

  /** A round begins, and reads everything that was left before this moment. */
  beginRound(): void {
    this.#readBack.clear();
    if (this.#behind !== undefined) this.#behind.recent = this.#nothingRecent();
  }

  /**
   * The round that was begun last has found everything. Sends what was left meanwhile, and is direct again.
   *
   * @returns false when that was too much to be kept; another round is due
   */
  catchUp(): boolean {
    if (this.#behind === undefined) return true;
    const messages = this.#behind.recent.all();
    if (messages === undefined) return false;
    this.#behind = undefined;
    this.#sendAll(messages.filter(({ message }) => !this.#readBack.has(message.messageId)));
    return true;
  }

  /** Whether the message is on its way already, or was settled during the reading under way. */
  holds(messageId: string): boolean {
    return this.#held.has(messageId) || this.#settledMeanwhile.has(messageId);
  }

  /** Reads rows of the outbox: one that is deleted meanwhile may still be among them, and `holds` knows it. */
  async whileReading<T>(read: () => Promise<T>): Promise<T> {
    this.#readings += 1;
    try {
      return await read();
    } finally {
      this.#readings -= 1;
      if (this.#readings === 0) this.#settledMeanwhile.clear();
    }
  }

  /** Waits until few enough messages are in flight to read more of them; false: the signal aborted. */
  async room(signal: AbortSignal): Promise<boolean> {
    const { inFlightMax, clock } = this.#options;
    const isFull = (): boolean =>
      this.#inFlight >= inFlightMax ||
      this.#bytesInFlight >= heldBytesMax ||
      this.#toForget.length >= unforgottenMax;
    while (isFull() && !signal.aborted) {
      await Promise.race([this.#change(), clock.sleep(brokerCheckMs, signal)]);
    }
    return !signal.aborted;
  }

  /** Sends the message of a row that was read back from the outbox. Settles once it is known what became of it. */
  async sendBack(rowId: string, message: OutgoingMessage): Promise<Outcome> {
    this.#readBack.add(rowId);
    this.#hold(rowId, message);
    return await this.#deliver(rowId, message);
  }

  /** The message of a row is sent or cannot be made: deletes the row, or sets it apart. */
  settleRow(messageId: string, refusal?: Refusal): void {
    this.#held.add(messageId);
    if (refusal === undefined) this.#toForget.push(messageId);
    else this.#toSetApart.push(refusal);
    this.#forgetting.wake();
  }

  /** Deletes what is confirmed, until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    await this.#forgetting.run(signal);
  }

  /** Waits for the confirms under way, while the broker gives any and until the signal aborts; leaves the rest to others. */
  async drain(signal: AbortSignal): Promise<void> {
    const { database, transport, instance, logger, clock } = this.#options;
    while (this.#inFlight > 0 && transport.health().state === "up" && !signal.aborted) {
      await Promise.race([this.#change(), clock.sleep(brokerCheckMs, signal)]);
    }
    try {
      await this.#forget();
      await rowsOf(database, releaseMessages, { instance });
    } catch (error) {
      if (classifyDatabaseError(error) === "defect") throw error;
      // Found by the instance once its lease has run out.
      logger.warn({ error }, "could not hand over owed messages; other workers find them a little later");
    }
  }

  #hasRoomFor(messages: readonly OutgoingMessage[]): boolean {
    // What alone is too much is in memory already.
    if (this.#inFlight === 0) return true;
    const bytes = messages.reduce((sum, { body }) => sum + body.length, this.#bytesInFlight);
    return (
      this.#inFlight + messages.length <= this.#options.inFlightMax * directCountFactor &&
      bytes <= heldBytesMax
    );
  }

  #nothingRecent(): RecentMessages {
    return new RecentMessages({
      countMax: this.#options.inFlightMax * directCountFactor,
      bytesMax: heldBytesMax,
    });
  }

  #leave(messageIds: readonly string[], { isKept }: { isKept: boolean }): void {
    this.fallBehind();
    const lowest = new Map<MessageKind, string>();
    for (const messageId of messageIds) {
      const kind = messageKindOf(messageId) === "event" ? "event" : "enforcement";
      const known = lowest.get(kind);
      if (known === undefined || messageId < known) lowest.set(kind, messageId);
    }
    for (const [kind, messageId] of lowest) {
      const known = this.#behind?.ownFrom.get(kind);
      if (known === undefined || messageId < known) this.#behind?.ownFrom.set(kind, messageId);
      else if (isKept) continue;
      this.#options.onLeft({ kind, fromId: messageId, isKept });
    }
  }

  #sendAll(messages: readonly RecentMessage[]): void {
    const unheld = messages.filter(({ message }) => !this.#held.has(message.messageId));
    const batch = { unsettled: unheld.length, confirmed: 0, sentAtMs: this.#options.clock.monotonicMs() };
    // Before the first is sent: a transport may settle at once.
    for (const { message } of unheld) this.#hold(message.messageId, message);
    for (const recent of unheld) void this.#sendOne(recent, batch);
  }

  async #sendOne({ message, acceptedAtMs }: RecentMessage, batch: SentBatch): Promise<void> {
    const { metrics, clock } = this.#options;
    if ((await this.#deliver(message.messageId, message)) === "confirmed") {
      metrics.eventConfirmedAfter((clock.monotonicMs() - acceptedAtMs) / 1_000);
      batch.confirmed += 1;
    }
    batch.unsettled -= 1;
    if (batch.unsettled === 0) {
      metrics.messagesConfirmed(batch.confirmed, (clock.monotonicMs() - batch.sentAtMs) / 1_000);
    }
  }

  #hold(rowId: string, { body }: OutgoingMessage): void {
    this.#held.add(rowId);
    this.#inFlight += 1;
    this.#bytesInFlight += body.length;
  }

  async #deliver(rowId: string, message: OutgoingMessage): Promise<Outcome> {
    const { transport, deliveries } = this.#options;
    const { routingKey, body } = message;
    try {
      deliveries.confirmed(routingKey, await transport.publish(message));
      this.settleRow(rowId);
      return "confirmed";
    } catch (error) {
      if (!(error instanceof MessageRefusedError)) {
        // The transport is closed.
        this.#held.delete(rowId);
        return "left";
      }
      deliveries.refused(routingKey, error.message);
      this.settleRow(rowId, { messageId: rowId, reason: error.isFinal ? error.message : null });
      return "refused";
    } finally {
      this.#inFlight -= 1;
      this.#bytesInFlight -= body.length;
      this.#waitForChange?.resolve();
      this.#waitForChange = undefined;
    }
  }

  #change(): Promise<void> {
    this.#waitForChange ??= Promise.withResolvers<void>();
    return this.#waitForChange.promise;
  }

  async #forget(): Promise<void> {
    const { relaxed } = this.#options.database;
    while (this.#toForget.length > 0) {
      const messageIds = this.#toForget.slice(0, forgetCountMax);
      await rowsOf(relaxed, forgetMessages, { messageIds });
      this.#toForget.splice(0, messageIds.length);
      this.#letGo(messageIds);
    }
    while (this.#toSetApart.length > 0) {
      const refusals = this.#toSetApart.slice(0, forgetCountMax);
      await rowsOf(relaxed, markRefused, { refusals });
      this.#toSetApart.splice(0, refusals.length);
      this.#letGo(refusals.map(({ messageId }) => messageId));
    }
  }

  #letGo(messageIds: readonly string[]): void {
    for (const messageId of messageIds) {
      this.#held.delete(messageId);
      if (this.#readings > 0) this.#settledMeanwhile.add(messageId);
    }
  }
}
