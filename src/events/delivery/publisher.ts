/**
 * Publishes the messages of committed events. Their outbox rows are deleted after the broker's confirm, or set aside when
 * the broker refuses the message (held-rows.ts).
 *
 * For this process a message is either left or held:
 *
 *   left   it exists only in the outbox; the sweeper reads it back
 *   held   in flight ──confirmed──▶ to be deleted ──deleted──▶ gone
 *             │  └────refused────▶ to be set aside ──set aside──▶ RefusedMessages retries it
 *             └──transport closed─▶ left
 *
 * Storing never waits for the broker, and memory is bounded. This takes two modes:
 *
 *   direct   new messages are sent from memory
 *   behind   new messages are left in the outbox, because too many are in flight or because older ones come first. The
 *            sweeper reads and sends them in order of id until it has caught up
 *
 * Catching up: storing is faster than reading, so reading alone would never reach the end. Messages that are left during a
 * round of reading are therefore also kept in memory, up to a limit (backlog.ts). When the round has read everything stored
 * before it began, the kept messages are all that remains, and they are sent from memory (`catchUp`).
 *
 * Invariants: messages of one kind stored by this process reach the transport in order of id, except repetitions. A row is
 * deleted only after the confirm. A crash in between, or a deletion that the database loses (it commits without waiting for
 * the disk), publishes the message again under the same id.
 */
import { Changes } from "../../concurrency/changes.ts";
import type { Database } from "../../database/database.ts";
import { classifyDatabaseError } from "../../database/errors.ts";
import { rowsOf } from "../../database/statement.ts";
import { releaseMessages } from "../../database/statements/outbox-ownership.ts";
import {
  MessageRefusedError,
  type MessageTransport,
  type OutgoingMessage,
} from "../../messaging/message-transport.ts";
import type { MessageFormat } from "../../messaging/messages/cloud-event-message.ts";
import { routingKeys } from "../../messaging/messages/message-types.ts";
import type { MessageKind } from "../../model/identifiers.ts";
import type { DeliveryLoad } from "../../model/sensors/pace.ts";
import type { Logger } from "../../telemetry/logger.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
import type { Clock } from "../../time/clock.ts";
import type { MessageOutlet } from "../batch-outcomes.ts";
import { Backlog } from "./backlog.ts";
import type { DeliveryRecord } from "./delivery-record.ts";
import { HeldRows } from "./held-rows.ts";
import { SourcePace } from "./source-pace.ts";

export interface PublisherOptions {
  readonly database: Database;
  readonly transport: MessageTransport;
  /** This process's instance, the owner of the rows it stores. */
  readonly instance: string;
  /** Envelopes unless named. */
  readonly format?: MessageFormat;
  /** Messages sent and not yet confirmed, beyond which no more are read back. */
  readonly inFlightMax: number;
  readonly deliveries: DeliveryRecord;
  readonly onLeft: (left: LeftMessages) => void;
  /** Called for every message that the broker confirms. */
  readonly onConfirmed?: (messageId: string) => void;
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
  readonly atMs: number;
}

interface DirectMessage {
  readonly batch: SentBatch;
  readonly acceptedAtMs: number;
}

export type Outcome = "confirmed" | "refused" | "left";

/** Enough to smooth what database and broker do at different moments; beyond it the outbox is the better place. */
const directCountFactor = 16;
/** Keeps the broker busy while the next events are being stored. */
const crowdedFactor = 1.5;
const heldBytesMax = 16 * 1024 * 1024;
const unforgottenMax = 20_000;
const brokerCheckMs = 250;

export class Publisher implements MessageOutlet, DeliveryLoad {
  /** Those whose messages this process sends. */
  readonly rows: HeldRows;
  /** For sources that can wait. */
  readonly pace: SourcePace;
  readonly #options: PublisherOptions;
  #inFlight = 0;
  #bytesInFlight = 0;
  /** Undefined: messages are sent directly. */
  #backlog: Backlog | undefined;
  /** Of the round of reading under way. */
  readonly #readBack = new Set<string>();
  readonly #changes = new Changes();
  #confirmedAtMs = -Infinity;

  constructor(options: PublisherOptions) {
    const { inFlightMax, clock } = options;
    this.#options = options;
    this.rows = new HeldRows(options);
    this.pace = new SourcePace({
      load: this,
      changes: this.#changes,
      limits: { inFlightMin: inFlightMax * crowdedFactor, bytesMin: heldBytesMax / 2 },
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
    return this.#backlog !== undefined;
  }

  /** Monotonic milliseconds of the last confirm; -Infinity before the first. */
  get confirmedAtMs(): number {
    return this.#confirmedAtMs;
  }

  get instance(): string {
    return this.#options.instance;
  }

  get format(): MessageFormat {
    return this.#options.format ?? "envelope";
  }

  send(messages: readonly OutgoingMessage[], acceptedAtMs: readonly number[]): void {
    if (this.#backlog === undefined && this.#hasRoomFor(messages)) {
      this.#sendAll(messages, acceptedAtMs);
      return;
    }
    const messageIds = messages.map(({ messageId }) => messageId);
    this.#leave(messageIds, { isKept: true });
    this.#fallenBehind().keep(messages, acceptedAtMs);
  }

  isHeard(): boolean {
    const { isHeard } = this.#options.transport;
    return (
      isHeard === undefined || isHeard(routingKeys.EventCreated) || isHeard(routingKeys.EnforcementCreated)
    );
  }

  drop(messageIds: readonly string[], acceptedAtMs: readonly number[]): void {
    const { metrics, clock, onConfirmed } = this.#options;
    const nowMs = clock.monotonicMs();
    for (const [index, messageId] of messageIds.entries()) {
      this.rows.settle(messageId);
      onConfirmed?.(messageId);
      metrics.eventConfirmedAfter((nowMs - (acceptedAtMs[index] ?? nowMs)) / 1_000);
    }
    metrics.messagesConfirmed(messageIds.length, 0);
  }

  leave(messageIds: readonly string[]): void {
    this.#leave(messageIds, { isKept: false });
  }

  /** Leaves what is stored from now on to the sweeper, until it has caught up. */
  fallBehind(): void {
    this.#fallenBehind();
  }

  /** From which id on messages of this process were left; null: none of them. */
  ownFrom(kind: MessageKind): string | null {
    return this.#backlog?.from(kind) ?? null;
  }

  /**
   * A round begins, and reads everything that was left before this moment.
   *
   * @returns the lowest id of each kind that was left since the last round began: batches are not committed in the order
   *   of their ids, so that the last round may have read past it
   */
  beginRound(): ReadonlyMap<MessageKind, string> {
    this.#readBack.clear();
    return this.#backlog?.beginRound() ?? new Map();
  }

  /**
   * The round that was begun last has found everything. Sends what was left meanwhile, and is direct again.
   *
   * @returns false when that was too much to be kept; another round is due
   */
  catchUp(): boolean {
    if (this.#backlog === undefined) return true;
    const kept = this.#backlog.kept();
    if (kept === undefined) return false;
    this.#backlog = undefined;
    this.#sendAll(kept.messages, kept.acceptedAtMs);
    return true;
  }

  /**
   * Waits until few enough messages are in flight to read more of them.
   *
   * @returns false if the signal aborted, or the broker is no longer up: it may never confirm what is in flight
   */
  async room(signal: AbortSignal): Promise<boolean> {
    const { transport, inFlightMax, clock } = this.#options;
    const isFull = (): boolean =>
      this.#inFlight >= inFlightMax ||
      this.#bytesInFlight >= heldBytesMax ||
      this.rows.toDeleteCount >= unforgottenMax;
    while (isFull()) {
      if (signal.aborted || transport.health().state !== "up") return false;
      await this.#changes.nextWithin(brokerCheckMs, clock, signal);
    }
    return !signal.aborted;
  }

  /** Sends the message of a row that was read back from the outbox. Settles once its outcome is known. */
  async sendBack(rowId: string, message: OutgoingMessage): Promise<Outcome> {
    this.#readBack.add(rowId);
    this.#hold(rowId, message);
    return await this.#deliver(rowId, message);
  }

  /** Waits for the confirms under way, while the broker gives any and until the signal aborts; leaves the rest to others. */
  async drain(signal: AbortSignal): Promise<void> {
    const { database, transport, instance, logger, clock } = this.#options;
    while (this.#inFlight > 0 && transport.health().state === "up" && !signal.aborted) {
      await this.#changes.nextWithin(brokerCheckMs, clock, signal);
    }
    try {
      await this.rows.flush();
      await rowsOf(database, releaseMessages, { instance });
    } catch (error) {
      if (classifyDatabaseError(error) === "defect") throw error;
      // Found by the instance once its lease has run out.
      logger.warn(
        { error },
        "could not hand over unsent messages; other workers will find them a little later",
      );
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

  #fallenBehind(): Backlog {
    this.#backlog ??= new Backlog({
      countMax: this.#options.inFlightMax * directCountFactor,
      bytesMax: heldBytesMax,
    });
    return this.#backlog;
  }

  #leave(messageIds: readonly string[], { isKept }: { isKept: boolean }): void {
    for (const [kind, fromId] of this.#fallenBehind().leave(messageIds)) {
      this.#options.onLeft({ kind, fromId, isKept });
    }
  }

  #sendAll(messages: readonly OutgoingMessage[], acceptedAtMs: readonly number[]): void {
    const sent = { unsettled: 0, confirmed: 0, atMs: this.#options.clock.monotonicMs() };
    // By index: this is the hot path, and pairs for each message cost more than all else here.
    for (let index = 0; index < messages.length; index += 1) {
      const message = messages[index];
      if (message === undefined || this.#isKnown(message.messageId)) continue;
      sent.unsettled += 1;
      this.#hold(message.messageId, message);
      void this.#deliver(message.messageId, message, { batch: sent, acceptedAtMs: acceptedAtMs[index] ?? 0 });
    }
  }

  #isKnown(messageId: string): boolean {
    return this.rows.has(messageId) || (this.#readBack.size > 0 && this.#readBack.has(messageId));
  }

  #hold(rowId: string, { body }: OutgoingMessage): void {
    this.rows.hold(rowId);
    this.#inFlight += 1;
    this.#bytesInFlight += body.length;
  }

  /** @param direct how it is measured when it was sent from memory */
  #deliver(rowId: string, message: OutgoingMessage, direct?: DirectMessage): Promise<Outcome> {
    // Not an async function: one per message is what the hot path would notice.
    return this.#options.transport.publish(message).then(
      (delivery) => {
        this.#options.deliveries.confirmed(message.routingKey, delivery);
        this.rows.settle(rowId);
        return this.#letGo(message, "confirmed", direct);
      },
      (error: unknown) => this.#letGo(message, this.#judgeFailure(rowId, message.routingKey, error), direct),
    );
  }

  #letGo({ body, messageId }: OutgoingMessage, outcome: Outcome, direct: DirectMessage | undefined): Outcome {
    const nowMs = this.#options.clock.monotonicMs();
    if (outcome === "confirmed") {
      this.#confirmedAtMs = nowMs;
      this.#options.onConfirmed?.(messageId);
    }
    if (direct !== undefined) this.#measure(direct, outcome, nowMs);
    this.#inFlight -= 1;
    this.#bytesInFlight -= body.length;
    this.#changes.note();
    return outcome;
  }

  #judgeFailure(rowId: string, routingKey: string, error: unknown): Outcome {
    if (!(error instanceof MessageRefusedError)) {
      // The transport is closed.
      this.rows.release(rowId);
      return "left";
    }
    this.#options.deliveries.refused(routingKey, error.message);
    this.rows.settle(rowId, { messageId: rowId, reason: error.isFinal ? error.message : null });
    return "refused";
  }

  #measure({ batch, acceptedAtMs }: DirectMessage, outcome: Outcome, nowMs: number): void {
    const { metrics } = this.#options;
    if (outcome === "confirmed") {
      metrics.eventConfirmedAfter((nowMs - acceptedAtMs) / 1_000);
      batch.confirmed += 1;
    }
    batch.unsettled -= 1;
    if (batch.unsettled === 0) metrics.messagesConfirmed(batch.confirmed, (nowMs - batch.atMs) / 1_000);
  }
}
