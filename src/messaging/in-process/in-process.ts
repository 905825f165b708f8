/**
 * The transport within one process, for an installation without a broker: the same exchanges, bindings,
 * queues and verdicts as RabbitMQ, in memory.
 *
 * What it cannot do is outlive the process. That loses nothing the service owes: a message leaves the
 * outbox only after `publish` resolved, and its consumers lived in this process as well.
 *
 * Every queue is bounded. A full queue with a consumer holds `publish` back until there is room; a
 * full queue that nobody consumes drops its oldest message, as the broker's dead-letter queue does.
 */
import type { Logger } from "../../telemetry/logger.ts";
import { systemClock, type Clock } from "../../time/clock.ts";
import { MemoryQueue, type QueuedMessage } from "./memory-queue.ts";
import { MessageRefusedError, type MessageTransport, type OnMessage } from "../message-transport.ts";
import type { Delivery, OutgoingMessage, Subscription } from "../message-transport.ts";
import { topicMatches } from "./topic-pattern.ts";
import { topologyOf, usualNames, type TopologyNames } from "../topology.ts";

export interface InProcessOptions {
  readonly logger: Logger;
  readonly names?: TopologyNames;
  readonly clock?: Clock;
  /** Messages a subscription's queue holds. */
  readonly queueLengthMax?: number;
}

interface Binding {
  readonly exchange: string;
  readonly pattern: string;
  readonly queue: MemoryQueue;
}

const closeLimitMs = 5_000;

export async function openInProcess(options: InProcessOptions): Promise<MessageTransport> {
  const { logger, clock = systemClock, queueLengthMax = 10_000, names = usualNames } = options;
  const { exchanges, deadLetterQueue } = topologyOf(names);
  const address = "this process";
  const queues = new Map<string, MemoryQueue>();
  let bindings: readonly Binding[] = [];
  let anonymousQueues = 0;
  let isClosed = false;

  const deadLetter = (message: QueuedMessage): void => {
    for (const queue of queuesFor(names.deadLetters, message.routingKey)) {
      queue.push({ ...message, exchange: names.deadLetters, isRedelivered: false });
    }
  };

  function declareQueue(name: string, lengthMax: number): MemoryQueue {
    const existing = queues.get(name);
    if (existing !== undefined) return existing;
    // A message dropped from the dead-letter queue itself is gone.
    const onDeadLetter = name === deadLetterQueue.name ? () => {} : deadLetter;
    const queue = new MemoryQueue(lengthMax, onDeadLetter, logger);
    queues.set(name, queue);
    return queue;
  }

  function bind(exchange: string, pattern: string, queue: MemoryQueue): void {
    const isBound = bindings.some(
      (known) => known.exchange === exchange && known.pattern === pattern && known.queue === queue,
    );
    if (!isBound) bindings = [...bindings, { exchange, pattern, queue }];
  }

  /** The queues a message reaches, each once, however many ways lead there. */
  function queuesFor(exchange: string, routingKey: string): ReadonlySet<MemoryQueue> {
    const reached = new Set([exchange]);
    // The topology lists an exchange after those it receives from.
    for (const { name, from } of exchanges) {
      const isReached = from.some(
        (way) => reached.has(way.exchange) && topicMatches(way.pattern, routingKey),
      );
      if (isReached) reached.add(name);
    }
    const found = new Set<MemoryQueue>();
    for (const { exchange: source, pattern, queue } of bindings) {
      if (reached.has(source) && topicMatches(pattern, routingKey)) found.add(queue);
    }
    return found;
  }

  function refusal(exchange: string): Error | undefined {
    if (isClosed) return new Error("the in-process message transport is closed");
    if (exchanges.some(({ name }) => name === exchange)) return undefined;
    return new MessageRefusedError(`no exchange '${exchange}'`, { isFinal: true });
  }

  const lettersQueue = declareQueue(deadLetterQueue.name, deadLetterQueue.lengthMax);
  for (const { exchange, pattern } of deadLetterQueue.from) bind(exchange, pattern, lettersQueue);

  return {
    kind: "in-process",
    address,
    sensorQueues: undefined,

    async publish({
      exchange = names.events,
      routingKey,
      messageId,
      body,
    }: OutgoingMessage): Promise<Delivery> {
      const refused = refusal(exchange);
      if (refused !== undefined) throw refused;
      const reached = queuesFor(exchange, routingKey);
      // Nobody outside this process could receive it, so an unroutable message is not worth logging.
      if (reached.size === 0) return "routed";
      const bytes = typeof body === "string" ? Buffer.from(body) : body;
      const queued = { exchange, routingKey, messageId, isRedelivered: false, body: bytes };
      for (const queue of reached) queue.push(queued);
      for (const queue of reached) if (queue.isFull) await queue.room();
      return "routed";
    },

    isHeard: (routingKey) => isClosed || queuesFor(names.events, routingKey).size > 0,

    async subscribe(
      { exchange, bindings: patterns, queue: name, prefetch }: Subscription,
      onMessage: OnMessage,
    ) {
      const refused = refusal(exchange);
      if (refused !== undefined) throw refused;
      const queueName = name ?? `anonymous-${(anonymousQueues += 1)}`;
      const queue = declareQueue(queueName, queueLengthMax);
      for (const pattern of patterns) bind(exchange, pattern, queue);
      const consumer = queue.consume(prefetch, onMessage);
      return {
        async [Symbol.asyncDispose]() {
          await consumer.stop(closeLimitMs);
          if (name !== undefined) return;
          queues.delete(queueName);
          bindings = bindings.filter((binding) => binding.queue !== queue);
        },
      };
    },

    connected: async () => {},
    health: () => ({
      state: "up",
      condition: "up",
      detail: "messages stay in this process",
      checkedAtMs: clock.monotonicMs(),
    }),

    async [Symbol.asyncDispose]() {
      isClosed = true;
      await Promise.all([...queues.values()].map((queue) => queue.close(closeLimitMs)));
      queues.clear();
      bindings = [];
    },
  };
}
