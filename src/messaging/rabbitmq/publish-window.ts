/**
 * Messages between `publish` and the broker's confirm, in the order they were given.
 *
 *     entries   … confirmed │ in flight │ waiting …
 *                         head        next
 *
 * An entry is sent when the window has room, and then has the channel's next delivery tag; so a tag
 * is an index, and nothing is looked up or timed per message. When the channel is lost, `next` goes
 * back to `head`: what was not confirmed is sent again first, in its order, as soon as there is
 * another channel. A broker may have taken a message whose confirm was lost; consumers recognise the
 * repetition by its message id.
 *
 * A broker answers a message it cannot accept by closing the channel, without saying which message.
 * Those in flight then become suspects and are sent one by one; the one that gets the channel closed
 * again is rejected, the others pass.
 *
 * A message that the broker refuses (a queue has no room) is rejected and not sent again: when to repeat it, and to
 * the queues beside that one, is for the caller to decide. While the broker accepts nothing, nothing more is sent.
 *
 * The window knows nothing of AMQP: the transport gives it a `send`, and the broker's answers by tag.
 */
import { MessageRefusedError, type Delivery, type OutgoingMessage } from "../message-transport.ts";

export interface WindowLimits {
  readonly countMax: number;
  /** Of bodies in flight; one message is sent however large it is. */
  readonly bytesMax: number;
}

export type SendResult =
  | "sent"
  /** The channel is closing; its loss will be reported. */
  | "closing"
  /** This message can never be sent. */
  | Error;

export type Send = (message: OutgoingMessage, body: Buffer) => SendResult;

interface Entry {
  readonly message: OutgoingMessage;
  readonly resolve: (delivery: Delivery) => void;
  readonly reject: (error: Error) => void;
  bytes: number;
}

export class PublishWindow {
  readonly #limits: WindowLimits;
  readonly #monotonicMs: () => number;
  /** Undefined: confirmed, refused or rejected. */
  #entries: (Entry | undefined)[] = [];
  #head = 0;
  #next = 0;
  /** Index of an entry in flight = its tag - tagBase. */
  #tagBase = 1;
  #inFlight = 0;
  #bytesInFlight = 0;
  #suspects = 0;
  /** Returned by the broker because no queue was bound for them; their confirms follow. */
  readonly #returned = new Set<string>();
  #isPaused = false;
  #isFull = false;
  /** When the broker last answered, or the first message since was sent. */
  #progressAtMs = 0;
  #send: Send | undefined;
  #ending: Error | undefined;
  #onEmpty: (() => void) | undefined;

  constructor(limits: WindowLimits, monotonicMs: () => number) {
    this.#limits = limits;
    this.#monotonicMs = monotonicMs;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** All that is not confirmed, in flight or not. */
  get unconfirmed(): number {
    return this.#inFlight + this.#entries.length - this.#next;
  }

  /** How long messages have been in flight without any answer to one. */
  get unansweredMs(): number {
    return this.#inFlight === 0 ? 0 : this.#monotonicMs() - this.#progressAtMs;
  }

  /** Resolves at the confirm. */
  publish(message: OutgoingMessage): Promise<Delivery> {
    if (this.#ending !== undefined) return Promise.reject(this.#ending);
    return new Promise((resolve, reject) => {
      this.#entries.push({ message, resolve, reject, bytes: 0 });
      this.#pump();
    });
  }

  /** A new channel is open; its delivery tags start at 1. */
  open(send: Send): void {
    this.#tagBase = 1 - this.#next;
    this.#send = send;
    this.#pump();
  }

  /** The broker accepts nothing over this connection, on whatever channel, until `resume`. */
  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#pump();
  }

  /** The channel is lost. `refusal`: because the broker would not accept a message. */
  lose(refusal?: MessageRefusedError): void {
    this.#send = undefined;
    const sent = this.#entries.slice(this.#head, this.#next).filter((entry) => entry !== undefined);
    if (refusal !== undefined && this.#suspects > 0) {
      // It was alone, and the topology was declared anew before: it is this message.
      if (sent.length > 0) this.#suspects -= 1;
      sent.pop()?.reject(refusal);
    } else if (refusal !== undefined) {
      this.#suspects = sent.length;
    }
    this.#entries = [...sent, ...this.#entries.slice(this.#next)];
    this.#returned.clear();
    this.#head = 0;
    this.#next = 0;
    this.#inFlight = 0;
    this.#bytesInFlight = 0;
    this.#reportEmpty();
  }

  /** No queue is bound for a message in flight; its confirm follows. */
  markReturned(messageId: string): void {
    this.#returned.add(messageId);
  }

  confirm(tag: number, isMultiple: boolean): void {
    this.#settle(tag, isMultiple, (entry) => {
      const isReturned = this.#returned.size > 0 && this.#returned.delete(entry.message.messageId);
      entry.resolve(isReturned ? "unroutable" : "routed");
    });
  }

  /** A queue would not take it. */
  refuse(tag: number, isMultiple: boolean): void {
    this.#settle(tag, isMultiple, (entry) =>
      entry.reject(new MessageRefusedError("a queue refuses it", { isFinal: false })),
    );
  }

  /** Resolves once nothing is unconfirmed. For one caller, while nobody publishes. */
  async whenEmpty(): Promise<void> {
    if (this.unconfirmed > 0) await new Promise<void>((resolve) => (this.#onEmpty = resolve));
  }

  /** Rejects everything that is unconfirmed and everything to come. */
  end(error: Error): void {
    this.#ending = error;
    this.lose();
    for (const entry of this.#entries) entry?.reject(error);
    this.#entries = [];
  }

  #settle(tag: number, isMultiple: boolean, settleEntry: (entry: Entry) => void): void {
    const last = tag - this.#tagBase;
    // A tag that was not given out on this channel is another channel's: it settles nothing here.
    if (last >= this.#next) return;
    this.#progressAtMs = this.#monotonicMs();
    for (let index = isMultiple ? this.#head : last; index <= last; index += 1) {
      const entry = this.#entries[index];
      if (entry === undefined) continue;
      this.#entries[index] = undefined;
      this.#inFlight -= 1;
      this.#bytesInFlight -= entry.bytes;
      if (this.#suspects > 0) this.#suspects -= 1;
      settleEntry(entry);
    }
    this.#advanceHead();
    this.#pump();
    this.#reportEmpty();
  }

  #pump(): void {
    while (this.#next < this.#entries.length && this.#send !== undefined && !this.#isPaused) {
      const countMax = this.#suspects > 0 ? 1 : this.#limits.countMax;
      const { bytesMax } = this.#limits;
      if (this.#inFlight >= countMax || (this.#inFlight > 0 && this.#bytesInFlight >= bytesMax)) {
        this.#isFull = true;
        return;
      }
      // A full window is filled again when half of it is free: many small writes cost more than few large ones.
      if (this.#isFull && (this.#inFlight > countMax / 2 || this.#bytesInFlight > bytesMax / 2)) return;
      this.#isFull = false;
      this.#sendNext(this.#send);
    }
  }

  #sendNext(send: Send): void {
    const entry = this.#entries[this.#next];
    // What waits has not been settled.
    if (entry === undefined) return;
    const { body } = entry.message;
    const bytes = typeof body === "string" ? Buffer.from(body) : body;
    const result = send(entry.message, bytes);
    if (result === "closing") {
      this.#send = undefined;
    } else if (result === "sent") {
      if (this.#inFlight === 0) this.#progressAtMs = this.#monotonicMs();
      entry.bytes = bytes.length;
      this.#bytesInFlight += bytes.length;
      this.#inFlight += 1;
      this.#next += 1;
    } else {
      // It took no tag, so it leaves no gap.
      this.#entries.splice(this.#next, 1);
      entry.reject(new MessageRefusedError(result.message, { isFinal: true, cause: result }));
    }
  }

  #advanceHead(): void {
    while (this.#head < this.#next && this.#entries[this.#head] === undefined) this.#head += 1;
    // Cutting off the settled ones when they are most of the array costs a constant per message.
    if (this.#head < 4_096 || this.#head * 2 < this.#entries.length) return;
    this.#entries.splice(0, this.#head);
    this.#tagBase += this.#head;
    this.#next -= this.#head;
    this.#head = 0;
  }

  #reportEmpty(): void {
    if (this.unconfirmed === 0) this.#onEmpty?.();
  }
}
