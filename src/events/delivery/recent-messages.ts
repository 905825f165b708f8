/** Messages that are kept only while they are few: beyond a number or size there are none at all. */
import type { OutgoingMessage } from "../../messaging/message-transport.ts";

export interface KeptMessages {
  readonly messages: readonly OutgoingMessage[];
  /** When the event of each was accepted, for the latency measured at the confirm. */
  readonly acceptedAtMs: readonly number[];
}

export interface RecentLimits {
  readonly countMax: number;
  readonly bytesMax: number;
}

export class RecentMessages {
  readonly #limits: RecentLimits;
  #messages: OutgoingMessage[] = [];
  #acceptedAtMs: number[] = [];
  #bytes = 0;
  #isTooMuch = false;

  constructor(limits: RecentLimits) {
    this.#limits = limits;
  }

  add(messages: readonly OutgoingMessage[], acceptedAtMs: readonly number[]): void {
    if (this.#isTooMuch) return;
    const { countMax, bytesMax } = this.#limits;
    this.#bytes = messages.reduce((sum, { body }) => sum + body.length, this.#bytes);
    this.#isTooMuch = this.#messages.length + messages.length > countMax || this.#bytes > bytesMax;
    if (this.#isTooMuch) {
      this.#messages = [];
      this.#acceptedAtMs = [];
    } else {
      this.#messages.push(...messages);
      this.#acceptedAtMs.push(...messages.map((_, index) => acceptedAtMs[index] ?? 0));
    }
  }

  /** Undefined: they were too many. */
  all(): KeptMessages | undefined {
    return this.#isTooMuch ? undefined : { messages: this.#messages, acceptedAtMs: this.#acceptedAtMs };
  }
}
