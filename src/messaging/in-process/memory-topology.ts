/** Exchanges, bindings and queues in memory. The dead-letter queue is there from the start. */
import type { Logger } from "../../telemetry/logger.ts";
import { topologyOf, type Topology, type TopologyNames } from "../topology.ts";
import { MemoryQueue, type QueuedMessage } from "./memory-queue.ts";
import { topicMatches } from "./topic-pattern.ts";

interface Binding {
  readonly exchange: string;
  readonly pattern: string;
  readonly queue: MemoryQueue;
}

export class MemoryTopology {
  readonly #topology: Topology;
  readonly #logger: Logger;
  readonly #queues = new Map<string, MemoryQueue>();
  #bindings: readonly Binding[] = [];

  constructor(names: TopologyNames, logger: Logger) {
    this.#topology = topologyOf(names);
    this.#logger = logger;
    const { name, lengthMax, from } = this.#topology.deadLetterQueue;
    const letters = this.declareQueue(name, lengthMax);
    for (const { exchange, pattern } of from) this.bind(exchange, pattern, letters);
  }

  hasExchange(exchange: string): boolean {
    return this.#topology.exchanges.some(({ name }) => name === exchange);
  }

  /** The queue with that name, made if there is none. */
  declareQueue(name: string, lengthMax: number): MemoryQueue {
    const existing = this.#queues.get(name);
    if (existing !== undefined) return existing;
    const isForLetters = name === this.#topology.deadLetterQueue.name;
    // A message dropped from the dead-letter queue itself is gone.
    const onDeadLetter = isForLetters ? () => {} : (message: QueuedMessage) => this.#deadLetter(message);
    const queue = new MemoryQueue(lengthMax, onDeadLetter, this.#logger);
    this.#queues.set(name, queue);
    return queue;
  }

  removeQueue(name: string): void {
    const queue = this.#queues.get(name);
    this.#queues.delete(name);
    this.#bindings = this.#bindings.filter((binding) => binding.queue !== queue);
  }

  bind(exchange: string, pattern: string, queue: MemoryQueue): void {
    const isBound = this.#bindings.some(
      (known) => known.exchange === exchange && known.pattern === pattern && known.queue === queue,
    );
    if (!isBound) this.#bindings = [...this.#bindings, { exchange, pattern, queue }];
  }

  /** The queues a message reaches, each once, however many ways lead there. */
  queuesFor(exchange: string, routingKey: string): ReadonlySet<MemoryQueue> {
    const reached = new Set([exchange]);
    // The topology lists an exchange after those it receives from.
    for (const { name, from } of this.#topology.exchanges) {
      const isReached = from.some(
        (way) => reached.has(way.exchange) && topicMatches(way.pattern, routingKey),
      );
      if (isReached) reached.add(name);
    }
    const found = new Set<MemoryQueue>();
    for (const { exchange: source, pattern, queue } of this.#bindings) {
      if (reached.has(source) && topicMatches(pattern, routingKey)) found.add(queue);
    }
    return found;
  }

  /** Stops all consumers, and forgets the queues. */
  async close(limitMs: number): Promise<void> {
    await Promise.all([...this.#queues.values()].map((queue) => queue.close(limitMs)));
    this.#queues.clear();
    this.#bindings = [];
  }

  #deadLetter(message: QueuedMessage): void {
    const exchange = this.#topology.names.deadLetters;
    for (const queue of this.queuesFor(exchange, message.routingKey)) {
      queue.push({ ...message, exchange, isRedelivered: false });
    }
  }
}
