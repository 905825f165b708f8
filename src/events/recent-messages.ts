/** Messages that are kept only while they are few: beyond a number or size there are none at all. */
import type { OutgoingMessage } from "../messaging/message-transport.ts";

export interface RecentMessage {
  readonly message: OutgoingMessage;
  /** When its event was accepted, for the latency measured at the confirm. */
  readonly acceptedAtMs: number;
}

export class RecentMessages {
  readonly #limits: { readonly countMax: number; readonly bytesMax: number };
  #messages: RecentMessage[] | undefined = [];
  #bytes = 0;

  constructor(limits: { readonly countMax: number; readonly bytesMax: number }) {
    this.#limits = limits;
  }

  add(messages: readonly RecentMessage[]): void {
    if (this.#messages === undefined) return;
    const { countMax, bytesMax } = this.#limits;
    this.#bytes = messages.reduce((sum, { message }) => sum + message.body.length, this.#bytes);
    if (this.#messages.length + messages.length > countMax || this.#bytes > bytesMax)
      this.#messages = undefined;
    else this.#messages.push(...messages);
  }

  /** Undefined: they were too many. */
  all(): readonly RecentMessage[] | undefined {
    return this.#messages;
  }
}
