/**
 * Tries refused messages again: separately, with growing delays, and no more than the broker takes.
 *
 * A queue that has no room refuses a message, and the broker says so without naming the queue: others may have the
 * message already and get it again with every attempt. So, for each routing key under which messages were refused:
 *
 *   waiting ──the delay is over──▶ one message is tried ──refused──▶ waiting, twice as long
 *                                        │ taken
 *                                        ▼
 *                            two are tried, four, … until one is refused, or none is left
 *
 * The message that was tried longest ago comes first. New messages are still sent once, since the other queues are
 * waiting for them.
 *
 * A message that the broker can never take (too large for it, say) is tried once an hour: the broker's limits may have
 * been changed, and each attempt costs a channel.
 */
import type { WakeableLoop } from "../../concurrency/wakeable-loop.ts";
import type { Database } from "../../database/database.ts";
import { rowsOf } from "../../database/statement.ts";
import { countRefusedMessages } from "../../database/statements/outbox.ts";
import { readRefusedMessages } from "../../database/statements/owed-messages.ts";
import type { MessageTransport } from "../../messaging/message-transport.ts";
import { backoffDelayMs, type BackoffLimits } from "../../model/sensors/backoff.ts";
import type { Logger } from "../../telemetry/logger.ts";
import { reportedLoop } from "../../telemetry/reported-loop.ts";
import type { Clock } from "../../time/clock.ts";
import { sendOwedMessage } from "./owed-message.ts";
import type { Publisher } from "./publisher.ts";

export interface RefusedMessagesOptions {
  readonly database: Database;
  readonly transport: MessageTransport;
  readonly publisher: Publisher;
  readonly instance: string;
  readonly installationId: string;
  /** Refused messages were counted, and there are some. */
  readonly onCounted?: () => void;
  readonly delays?: BackoffLimits;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: () => number;
}

export interface RefusedKey {
  /** Messages that wait to be tried again; at most countedMessagesMax are counted. */
  readonly count: number;
  /** How many of them the broker can never take. */
  readonly finalCount: number;
  readonly reason: string;
}

interface Attempts {
  failures: number;
  /** Messages of the next attempt. */
  length: number;
  dueAtMs: number;
  /** Whether only such are left as can never be taken. */
  isHopeless: boolean;
}

const usualDelays: BackoffLimits = { delayMsFirst: 1_000, delayMsMax: 300_000 };
const refusedText = "a queue refuses them";
const lengthMax = 500;
const bytesMax = 4 * 1024 * 1024;
const stepMs = 1_000;
const countIntervalMs = 10_000;
/**
 * While none is known. Refusals here are noted at once, and those of a dead process are looked for when messages are owed; the
 * second number is for a look that was missed.
 */
const restMsMin = 60_000;
const restMsMax = 1_200_000;
const hopelessIntervalMs = 600_000;

export class RefusedMessages {
  readonly #options: RefusedMessagesOptions;
  readonly #loop: WakeableLoop;
  readonly #attempts = new Map<string, Attempts>();
  readonly #reasons = new Map<string, string>();
  #counts: ReadonlyMap<string, RefusedKey> = new Map();
  #countedAtMs = -Infinity;

  constructor(options: RefusedMessagesOptions) {
    this.#options = options;
    this.#loop = reportedLoop(
      {
        texts: {
          begins: "could not read refused messages; trying again",
          ends: "refused messages are read again",
        },
        step: (signal) => this.#step(signal),
        intervalMs: () => (this.#isQuiet() ? restMsMax : stepMs),
        retry: { delayMsFirst: 1_000, delayMsMax: 10_000 },
      },
      options,
    );
    options.publisher.rows.whenSetAside(() => {
      if (this.#counts.size === 0) this.#countSoon();
    });
  }

  /** By routing key, as last counted. */
  counts(): ReadonlyMap<string, RefusedKey> {
    return this.#counts;
  }

  /** A message was refused. */
  note(routingKey: string, reason: string): void {
    this.#reasons.set(routingKey, reason);
    if (this.#attempts.get(routingKey)?.isHopeless === false) return;
    this.#attempts.set(routingKey, this.#later(1));
    this.#countSoon();
  }

  /** A hint that messages are owed, and that refused ones may be among them. */
  noteOwed(): void {
    if (this.#isQuiet() && this.#options.clock.monotonicMs() - this.#countedAtMs >= restMsMin)
      this.#countSoon();
  }

  async run(signal: AbortSignal): Promise<void> {
    await this.#loop.run(signal);
  }

  async #step(signal: AbortSignal): Promise<void> {
    const { clock, transport } = this.#options;
    const nowMs = clock.monotonicMs();
    if (this.#isQuiet() || nowMs - this.#countedAtMs >= countIntervalMs) await this.#count();
    if (transport.health().state !== "up") return;
    for (const [routingKey, attempts] of this.#attempts) {
      if (attempts.dueAtMs <= nowMs) await this.#attempt(routingKey, attempts, signal);
    }
  }

  #countSoon(): void {
    this.#countedAtMs = -Infinity;
    this.#loop.wake();
  }

  #isQuiet(): boolean {
    return this.#attempts.size === 0 && this.#counts.size === 0;
  }

  async #count(): Promise<void> {
    const { database, instance, onCounted, clock } = this.#options;
    const rows = await rowsOf(database, countRefusedMessages, { instance });
    this.#countedAtMs = clock.monotonicMs();
    this.#counts = new Map(
      rows.map(({ routingKey, count, finalCount, reason }) => [
        routingKey,
        { count, finalCount, reason: reason ?? this.#reasons.get(routingKey) ?? refusedText },
      ]),
    );
    if (rows.length > 0) onCounted?.();
    for (const { routingKey } of rows) {
      if (!this.#attempts.has(routingKey)) this.#attempts.set(routingKey, this.#later(1));
    }
    for (const [routingKey, { isHopeless }] of this.#attempts) {
      if (isHopeless && !this.#counts.has(routingKey)) this.#attempts.delete(routingKey);
    }
  }

  /** Attempt follows attempt for as long as every message is taken. */
  async #attempt(routingKey: string, attempts: Attempts, signal: AbortSignal): Promise<void> {
    const { database, publisher, instance, installationId, clock } = this.#options;
    while (await publisher.room(signal)) {
      const page = { instance, routingKey, countMax: attempts.length, bytesMax };
      const { rows, unheld } = await publisher.rows.whileReading(async () => {
        const found = await rowsOf(database, readRefusedMessages, page);
        return {
          rows: found,
          unheld: found.filter(({ message }) => !publisher.rows.hasOrHad(message.messageId)),
        };
      });
      if (rows.length === 0) {
        const dueAtMs = clock.monotonicMs() + hopelessIntervalMs;
        this.#attempts.set(routingKey, { failures: 0, length: 1, dueAtMs, isHopeless: true });
        this.#countedAtMs = -Infinity;
        return;
      }
      const sent = unheld.map(({ message }) => sendOwedMessage(publisher, installationId, message));
      const outcomes = await unlessAborted(Promise.all(sent), signal);
      if (outcomes === undefined) return;
      const areTaken = outcomes.every((outcome) => outcome === "confirmed" || outcome === "nothing");
      if (unheld.length === 0 || !areTaken) {
        this.#attempts.set(routingKey, this.#later(attempts.failures + 1));
        return;
      }
      attempts.failures = 0;
      attempts.length = Math.min(attempts.length * 2, lengthMax);
    }
  }

  #later(failures: number): Attempts {
    const { clock, random, delays = usualDelays } = this.#options;
    return {
      failures,
      length: 1,
      isHopeless: false,
      dueAtMs: clock.monotonicMs() + backoffDelayMs(failures, delays, random()),
    };
  }
}

/** Without a broker answers may never come; those who stop do not wait for them. */
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
