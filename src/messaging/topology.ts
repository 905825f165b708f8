/**
 * Exchanges, bindings and queues that exist wherever the platform does, as data. Declaring them is
 * idempotent and happens again at every connection, so a broker that was wiped is whole again.
 *
 * No queue is declared here that nobody consumes: consumers declare their own. The one exception is
 * where dead letters wait for a person, and that one is bounded.
 */
import { eventsExchange } from "./message-types.ts";

export const deadLetterExchange = "attune.dlx";

export interface TopicExchange {
  readonly name: string;
  /** Patterns of the messages it receives from other exchanges. */
  readonly from: readonly { readonly exchange: string; readonly pattern: string }[];
}

export interface BoundedQueue {
  readonly name: string;
  readonly from: readonly { readonly exchange: string; readonly pattern: string }[];
  /** Beyond it the oldest message is dropped. */
  readonly lengthMax: number;
}

/** All exchanges are topics and durable; an exchange stands after those it receives from. */
export const exchanges: readonly TopicExchange[] = [
  { name: eventsExchange, from: [] },
  { name: "attune.executions", from: [{ exchange: eventsExchange, pattern: "enforcement.#" }] },
  { name: deadLetterExchange, from: [] },
];

export const deadLetterQueue: BoundedQueue = {
  name: "attune.dead-letters",
  from: [{ exchange: deadLetterExchange, pattern: "#" }],
  lengthMax: 10_000,
};
