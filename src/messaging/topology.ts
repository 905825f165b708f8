/**
 * Exchanges, bindings and queues that exist wherever the platform does, as data. Declaring them is
 * idempotent and happens again at every connection, so a broker that was wiped is whole again.
 *
 * No queue is declared here that nobody consumes: consumers declare their own. The one exception is
 * where dead letters wait for a person, and that one is bounded.
 */

/** The names on the broker; installations that share a virtual host have names of their own. */
export interface TopologyNames {
  /** Everything that this service publishes. */
  readonly events: string;
  /** Enforcements, carried on from there. */
  readonly executions: string;
  readonly deadLetters: string;
  readonly deadLetterQueue: string;
}

export const usualNames: TopologyNames = {
  events: "attune.events",
  executions: "attune.executions",
  deadLetters: "attune.dlx",
  deadLetterQueue: "attune.dead-letters",
};

/** As the configuration spells them. */
export function namesOf(settings: {
  readonly exchange: string;
  readonly executions_exchange: string;
  readonly dead_letter_exchange: string;
  readonly dead_letter_queue: string;
}): TopologyNames {
  return {
    events: settings.exchange,
    executions: settings.executions_exchange,
    deadLetters: settings.dead_letter_exchange,
    deadLetterQueue: settings.dead_letter_queue,
  };
}

export interface Way {
  readonly exchange: string;
  readonly pattern: string;
}

export interface TopicExchange {
  readonly name: string;
  /** Patterns of the messages it receives from other exchanges. */
  readonly from: readonly Way[];
}

export interface BoundedQueue {
  readonly name: string;
  readonly from: readonly Way[];
  /** Beyond it the oldest message is dropped. */
  readonly lengthMax: number;
}

export interface Topology {
  readonly names: TopologyNames;
  /** All exchanges are topics and durable; an exchange stands after those it receives from. */
  readonly exchanges: readonly TopicExchange[];
  readonly deadLetterQueue: BoundedQueue;
}

export function topologyOf(names: TopologyNames): Topology {
  return {
    names,
    exchanges: [
      { name: names.events, from: [] },
      { name: names.executions, from: [{ exchange: names.events, pattern: "enforcement.#" }] },
      { name: names.deadLetters, from: [] },
    ],
    deadLetterQueue: {
      name: names.deadLetterQueue,
      from: [{ exchange: names.deadLetters, pattern: "#" }],
      lengthMax: 10_000,
    },
  };
}
