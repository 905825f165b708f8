/**
 * Publishes messages that exist only in the outbox: those that this process left there (publisher.ts), those of dead
 * processes, and those about rules changed with SQL.
 *
 * One loop:
 *
 *   look    claims messages that no live worker publishes, and starts reading at the lowest id; on a hint, and every
 *           `intervalMs` if there is any message
 *   round   reads one page of each kind that is not exhausted, and hands it to the publisher
 *   …       rounds follow until one exhausts every kind; then the publisher has caught up
 *
 * Reading runs ahead of confirms: the next page is read as soon as there is room in flight. Pages and messages in flight
 * are bounded in number and bytes.
 *
 * Order: each kind is read in order of id, starting at the lowest id that was left. A batch that commits later can leave a
 * message with a lower id; the next round then goes back to it. If that message is not in memory, as after a lost answer, a
 * page read in the meantime is discarded. Messages of a dead worker go before those that this process stores.
 *
 * A worker that cannot reach the broker for a while releases all messages it owns, its own included, and other workers
 * publish them.
 */
import assert from "node:assert/strict";
import { WakeableLoop } from "../../concurrency/wakeable-loop.ts";
import type { Database } from "../../database/database.ts";
import { rowOf, rowsOf } from "../../database/statement.ts";
import {
  nobody,
  ownMessages,
  releaseMessages,
  reviewOwners,
} from "../../database/statements/outbox-ownership.ts";
import { readOwedMessages, type OwedRow } from "../../database/statements/owed-messages.ts";
import type { MessageTransport } from "../../messaging/message-transport.ts";
import { backoffDelayMs } from "../../model/sensors/backoff.ts";
import { messageIdRanges, nextMessageId, type MessageIdRange } from "../../model/identifiers.ts";
import { mayHaveLapsedOthers } from "../../model/outage.ts";
import type { Logger } from "../../telemetry/logger.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
import { OutageLog } from "../../telemetry/outage-log.ts";
import type { Clock } from "../../time/clock.ts";
import { sendOwedMessage } from "./owed-message.ts";
import type { LeftMessages, Publisher } from "./publisher.ts";

export interface OutboxSweeperOptions {
  readonly database: Database;
  readonly transport: MessageTransport;
  readonly publisher: Publisher;
  readonly instance: string;
  readonly installationId: string;
  readonly intervalMs: number;
  /** How long a worker counts as alive after it was last heard. */
  readonly leaseMs: number;
  /** Messages read at once. */
  readonly pageLength?: number;
  /** Called after a look, unless no message is owed. */
  readonly onOwed: () => void;
  readonly metrics: Pick<Metrics, "messagesSwept">;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: () => number;
}

/** Those about rules first: they are few, and matter to how the others are understood. */
const kinds = ["ruleChange", "below", "above", "event", "enforcement"] as const;
type Kind = (typeof kinds)[number];
const pageLengthUsual = 1_000;
const pageBytesMax = 4 * 1024 * 1024;
const brokerCheckMs = 250;
/** How often to check the broker while there is nothing to read. */
const brokerWatchMs = 5_000;
/** A broker that restarts is back by then. */
const releaseAfterMs = 30_000;
/** While the database fails, messages wait: look for it more often than for messages. */
const retryMsMax = 1_000;
const restartIntervalMs = 60_000;
const reviewIntervalMs = 600_000;

export class OutboxSweeper {
  readonly #options: OutboxSweeperOptions;
  readonly #loop: WakeableLoop;
  readonly #ranges: Readonly<Record<Kind, MessageIdRange>>;
  /** Where each kind that is not exhausted is read next. */
  readonly #from = new Map<Kind, string>();
  /** Raised when reading goes back, or has to look again. */
  #turns = 0;
  #isLookDue = true;
  #lookedAtMs = -Infinity;
  /** When reading began at the lowest ids. */
  #startedAtMs = -Infinity;
  #inherited: ReadonlySet<string> = new Set();
  #reviewedAtMs = -Infinity;
  #hasFailed = false;
  #inheritsFromMs = -Infinity;
  /** When the broker was first seen not to be up; undefined while it is. */
  #brokerDownAtMs: number | undefined;
  #hasReleased = false;

  constructor(options: OutboxSweeperOptions) {
    this.#options = options;
    const { intervalMs, clock, random } = options;
    this.#ranges = messageIdRanges(options.installationId);
    const outage = new OutageLog(
      {
        begins: "could not read unsent messages from the outbox; trying again",
        ends: "unsent messages are read from the outbox again",
      },
      options,
    );
    this.#loop = new WakeableLoop({
      step: (signal) => this.#step(signal),
      intervalMs: () => {
        const untilLookMs = this.#lookedAtMs + intervalMs - clock.monotonicMs();
        return Math.max(Math.min(untilLookMs, brokerWatchMs), 0);
      },
      retryDelayMs: (failures) =>
        backoffDelayMs(
          failures,
          { delayMsFirst: 100, delayMsMax: Math.min(intervalMs, retryMsMax) },
          random(),
        ),
      onFailure: (error) => {
        this.#hasFailed = true;
        this.#isLookDue = true;
        outage.failed({ error });
      },
      onRecovery: () => outage.recovered(),
      clock,
    });
  }

  /** A hint that the outbox has messages that no publisher has in memory. */
  wake(): void {
    this.#isLookDue = true;
    this.#loop.wake();
  }

  /** A hint that rules have changed: their messages concern the worker that publishes what no agent stored. */
  wakeForRules(): void {
    if (this.#lookedAtMs === -Infinity || this.#inherited.has(nobody)) this.wake();
  }

  /** Messages of this process were left. Those that are kept are read by the next round, if this one is not the last. */
  readLeft({ kind, fromId, isKept }: LeftMessages): void {
    if (!isKept) this.#turns += 1;
    const from = this.#from.get(kind);
    if (from !== undefined && (isKept || from <= fromId)) return;
    this.#from.set(kind, fromId);
    this.#loop.wake();
  }

  /** What is stored from now on comes after what others may have left: this worker has taken over sensors. */
  putOthersFirst(): void {
    this.#options.publisher.fallBehind();
    this.wake();
  }

  /** Before the first message is stored, so that an heir can find all of them. */
  async open(): Promise<void> {
    const { database, instance } = this.#options;
    await rowOf(database, ownMessages, { instance, inherits: false, looks: false });
  }

  async run(signal: AbortSignal): Promise<void> {
    await this.#loop.run(signal);
  }

  async #step(signal: AbortSignal): Promise<void> {
    if (!this.#isBrokerUp()) {
      await this.#releaseIfCutOff();
      await this.#options.clock.sleep(brokerCheckMs, signal);
      this.#loop.wake();
      return;
    }
    const { clock, intervalMs, publisher } = this.#options;
    if (this.#isLookDue || clock.monotonicMs() - this.#lookedAtMs >= intervalMs) await this.#look();
    const isExhausted = await this.#round(signal);
    // One round a step: pauses after failures grow only while no round succeeds.
    if (!isExhausted || this.#isLookDue || !publisher.catchUp()) this.#loop.wake();
    else this.#from.clear();
  }

  async #look(): Promise<void> {
    const { database, instance, clock } = this.#options;
    const isHinted = this.#isLookDue;
    this.#isLookDue = false;
    const nowMs = clock.monotonicMs();
    this.#judgeAbsence(nowMs);
    if (nowMs - this.#reviewedAtMs >= reviewIntervalMs) {
      await rowsOf(database, reviewOwners, { instance });
      this.#reviewedAtMs = nowMs;
    }
    const inherits = nowMs >= this.#inheritsFromMs;
    const looks = !isHinted && this.#from.size === 0;
    const owned = await rowOf(database, ownMessages, { instance, inherits, looks });
    assert(owned !== undefined, "own_messages returns a row");
    this.#hasReleased = false;
    this.#lookedAtMs = nowMs;
    const inherited = new Set(owned.instances);
    if (!owned.isAny) {
      this.#inherited = inherited;
      return;
    }
    this.#startReading(nowMs, inherited);
    this.#options.onOwed();
  }

  /**
   * A kind that is being read goes on where it is, or a look that comes before the next page would begin it again for
   * ever. But what was inherited may lie before, and so may, now and then, a row that nobody told of.
   */
  #startReading(nowMs: number, inherited: ReadonlySet<string>): void {
    const isNew = [...inherited].some((instance) => !this.#inherited.has(instance));
    const startsAnew = isNew || nowMs - this.#startedAtMs >= restartIntervalMs;
    this.#inherited = inherited;
    if (startsAnew || this.#from.size === 0) this.#startedAtMs = nowMs;
    for (const kind of kinds) {
      if (startsAnew || kind === "ruleChange" || !this.#from.has(kind))
        this.#from.set(kind, this.#ranges[kind].from);
    }
  }

  /** After the database was down, leases of workers that live may have run out: their messages are theirs. */
  #judgeAbsence(nowMs: number): void {
    const { leaseMs, intervalMs } = this.#options;
    const absentMs = this.#lookedAtMs === -Infinity ? 0 : nowMs - this.#lookedAtMs;
    const absence = { absentMs, hasFailed: this.#hasFailed, leaseMs, renewalIntervalMs: intervalMs };
    if (this.#hasFailed && mayHaveLapsedOthers(absence)) this.#inheritsFromMs = nowMs + leaseMs;
    this.#hasFailed = false;
  }

  /** @returns whether everything was read that was owed when the round began */
  async #round(signal: AbortSignal): Promise<boolean> {
    const { publisher } = this.#options;
    for (const [kind, fromId] of publisher.beginRound()) {
      const from = this.#from.get(kind);
      if (from === undefined || fromId < from) this.#from.set(kind, fromId);
    }
    const turns = this.#turns;
    let isExhausted = true;
    for (const kind of kinds) {
      if (!this.#from.has(kind)) continue;
      if (!(await publisher.room(signal))) return false;
      if (!(await this.#readPage(kind))) isExhausted = false;
      // Of the others nothing is left by this process: the next look finds what is new.
      else if (!isOwnKind(kind)) this.#from.delete(kind);
    }
    return isExhausted && turns === this.#turns;
  }

  /** @returns whether it was the last page */
  async #readPage(kind: Kind): Promise<boolean> {
    const { database, publisher, instance, pageLength: countMax = pageLengthUsual } = this.#options;
    const page = {
      instance,
      countMax,
      bytesMax: pageBytesMax,
      from: this.#from.get(kind) ?? this.#ranges[kind].from,
      to: this.#ranges[kind].to,
      ownFrom: isOwnKind(kind) ? publisher.ownFrom(kind) : null,
    };
    const turns = this.#turns;
    return await publisher.rows.whileReading(async () => {
      const rows = await rowsOf(database, readOwedMessages, page);
      if (turns !== this.#turns) return false;
      const last = rows.at(-1);
      if (last === undefined) return true;
      if (rows.some(({ message: { instance: by } }) => by !== null && by !== instance)) {
        publisher.fallBehind();
      }
      this.#publish(rows);
      this.#from.set(kind, nextMessageId(last.message.messageId));
      const bytes = rows.reduce((sum, row) => sum + row.bytes, 0);
      return rows.length < countMax && bytes < pageBytesMax;
    });
  }

  #publish(rows: readonly OwedRow[]): void {
    const { publisher, installationId, metrics, logger } = this.#options;
    const unheld = rows.filter(({ message }) => !publisher.rows.hasOrHad(message.messageId));
    for (const { message } of unheld) void sendOwedMessage(publisher, installationId, message);
    metrics.messagesSwept(unheld.length);
    if (unheld.length > 0) logger.debug({ messages: unheld.length }, "publishing messages from the outbox");
  }

  #isBrokerUp(): boolean {
    const { transport, clock } = this.#options;
    const isUp = transport.health().state === "up";
    // Counted from here, not from when it was last seen up: the step before may have begun long before the outage.
    if (isUp) this.#brokerDownAtMs = undefined;
    else this.#brokerDownAtMs ??= clock.monotonicMs();
    return isUp;
  }

  async #releaseIfCutOff(): Promise<void> {
    const { database, instance, clock, logger } = this.#options;
    const nowMs = clock.monotonicMs();
    if (this.#hasReleased || nowMs - (this.#brokerDownAtMs ?? nowMs) < releaseAfterMs) return;
    this.#options.publisher.fallBehind();
    await rowsOf(database, releaseMessages, { instance });
    this.#hasReleased = true;
    // Its messages are others' now: when the broker is up again, take them back before anything is read or sent.
    this.#isLookDue = true;
    logger.info({}, "leaving unsent messages to workers that can reach the broker, until this one can");
  }
}

/** Whether this process stores messages of that kind. */
function isOwnKind(kind: Kind): kind is "event" | "enforcement" {
  return kind === "event" || kind === "enforcement";
}
