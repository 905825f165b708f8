/**
 * One queue in memory, with the verdicts of the real one.
 *
 *     queued ──▶ unacknowledged (at most `prefetch` per consumer) ──▶ done
 *        ▲               │                                       └──▶ dead letter
 *        └── requeue ────┘  to the front, marked as redelivered
 *
 * Consumers take turns. Delivery starts in a later turn of the event loop, never inside `push`.
 */
import { Changes } from "../../concurrency/changes.ts";
import { settlesWithin } from "../../concurrency/settles-within.ts";
import type { Logger } from "../../telemetry/logger.ts";
import type { IncomingMessage, OnMessage, Verdict } from "../message-transport.ts";

export type QueuedMessage = IncomingMessage;

export interface QueueConsumer {
  /** Takes no further message and waits up to `limitMs` for the verdicts under way. */
  stop(limitMs: number): Promise<void>;
}

interface Consumer {
  readonly prefetch: number;
  readonly onMessage: OnMessage;
  readonly underWay: Set<Promise<void>>;
}

export class MemoryQueue {
  readonly #lengthMax: number;
  readonly #deadLetter: (message: QueuedMessage) => void;
  readonly #logger: Logger;
  /** Those before `head` have been taken; they are cut off from time to time. */
  #messages: QueuedMessage[] = [];
  #head = 0;
  #consumers: Consumer[] = [];
  #isDeliveryDue = false;
  readonly #room = new Changes();

  constructor(lengthMax: number, deadLetter: (message: QueuedMessage) => void, logger: Logger) {
    this.#lengthMax = lengthMax;
    this.#deadLetter = deadLetter;
    this.#logger = logger;
  }

  get length(): number {
    return this.#messages.length - this.#head;
  }

  /** Whether publishers have to wait; never while nobody consumes. */
  get isFull(): boolean {
    return this.length > this.#lengthMax && this.#consumers.length > 0;
  }

  push(message: QueuedMessage): void {
    this.#messages.push(message);
    if (this.#consumers.length > 0) this.#deliverSoon();
    else this.#dropExcess();
  }

  /** Resolves once it is not full any more. */
  async room(): Promise<void> {
    if (this.isFull) await this.#room.next();
  }

  consume(prefetch: number, onMessage: OnMessage): QueueConsumer {
    const consumer: Consumer = { prefetch, onMessage, underWay: new Set() };
    this.#consumers.push(consumer);
    this.#deliverSoon();
    return {
      stop: async (limitMs) => {
        this.#consumers = this.#consumers.filter((other) => other !== consumer);
        this.#dropExcess();
        await settlesWithin(Promise.all(consumer.underWay), limitMs);
      },
    };
  }

  async close(limitMs: number): Promise<void> {
    const underWay = this.#consumers.flatMap((consumer) => [...consumer.underWay]);
    this.#consumers = [];
    this.#reportRoom();
    await settlesWithin(Promise.all(underWay), limitMs);
  }

  #deliverSoon(): void {
    if (this.#isDeliveryDue) return;
    this.#isDeliveryDue = true;
    // Not a microtask: a handler that requeues at once must not starve everything else.
    setImmediate(() => {
      this.#isDeliveryDue = false;
      this.#deliver();
    });
  }

  #deliver(): void {
    for (;;) {
      const consumer = this.#consumers.find(({ underWay, prefetch }) => underWay.size < prefetch);
      const message = this.#messages[this.#head];
      if (consumer === undefined || message === undefined) break;
      // A consumer that was served goes to the end of the line.
      this.#consumers = [...this.#consumers.filter((other) => other !== consumer), consumer];
      this.#head += 1;
      const serving = this.#serve(consumer, message).finally(() => {
        consumer.underWay.delete(serving);
        this.#deliverSoon();
      });
      consumer.underWay.add(serving);
    }
    if (this.#head > 1_024 && this.#head * 2 > this.#messages.length) {
      this.#messages.splice(0, this.#head);
      this.#head = 0;
    }
    this.#reportRoom();
  }

  async #serve({ onMessage }: Consumer, message: QueuedMessage): Promise<void> {
    const verdict = await this.#judge(onMessage, message);
    if (verdict === "requeue") {
      this.#messages.splice(this.#head, 0, { ...message, isRedelivered: true });
    } else if (verdict === "dead-letter") {
      this.#deadLetter(message);
    }
  }

  async #judge(onMessage: OnMessage, message: QueuedMessage): Promise<Verdict> {
    try {
      return await onMessage(message);
    } catch (error) {
      const verdict = message.isRedelivered ? "dead-letter" : "requeue";
      const { messageId } = message;
      this.#logger.warn(
        { message_id: messageId, verdict, reason: String(error) },
        "a message's handler failed",
      );
      return verdict;
    }
  }

  #dropExcess(): void {
    if (this.#consumers.length > 0) return;
    while (this.length > this.#lengthMax) {
      const [oldest] = this.#messages.splice(this.#head, 1);
      if (oldest !== undefined) this.#deadLetter(oldest);
    }
    this.#reportRoom();
  }

  #reportRoom(): void {
    if (!this.isFull) this.#room.note();
  }
}
