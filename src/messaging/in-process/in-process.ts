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
import { MessageRefusedError, type MessageTransport, type OnMessage } from "../message-transport.ts";
import type { Delivery, OutgoingMessage, Subscription } from "../message-transport.ts";
import { usualNames, type TopologyNames } from "../topology.ts";
import { MemoryTopology } from "./memory-topology.ts";

export interface InProcessOptions {
  readonly logger: Logger;
  readonly names?: TopologyNames;
  readonly clock?: Clock;
  /** Messages a subscription's queue holds. */
  readonly queueLengthMax?: number;
}

const closeLimitMs = 5_000;

export async function openInProcess(options: InProcessOptions): Promise<MessageTransport> {
  const { logger, clock = systemClock, queueLengthMax = 10_000, names = usualNames } = options;
  const topology = new MemoryTopology(names, logger);
  let anonymousQueues = 0;
  let isClosed = false;

  function refusal(exchange: string): Error | undefined {
    if (isClosed) return new Error("the in-process message transport is closed");
    if (topology.hasExchange(exchange)) return undefined;
    return new MessageRefusedError(`no exchange '${exchange}'`, { isFinal: true });
  }

  return {
    kind: "in-process",
    address: "this process",
    sensorQueues: undefined,

    async publish({
      exchange = names.events,
      routingKey,
      messageId,
      body,
    }: OutgoingMessage): Promise<Delivery> {
      const refused = refusal(exchange);
      if (refused !== undefined) throw refused;
      const reached = topology.queuesFor(exchange, routingKey);
      // Nobody outside this process could receive it, so an unroutable message is not worth logging.
      if (reached.size === 0) return "routed";
      const bytes = typeof body === "string" ? Buffer.from(body) : body;
      const queued = { exchange, routingKey, messageId, isRedelivered: false, body: bytes };
      for (const queue of reached) queue.push(queued);
      for (const queue of reached) if (queue.isFull) await queue.room();
      return "routed";
    },

    isHeard: (routingKey) => isClosed || topology.queuesFor(names.events, routingKey).size > 0,

    async subscribe(
      { exchange, bindings: patterns, queue: name, prefetch }: Subscription,
      onMessage: OnMessage,
    ) {
      const refused = refusal(exchange);
      if (refused !== undefined) throw refused;
      const queueName = name ?? `anonymous-${(anonymousQueues += 1)}`;
      const queue = topology.declareQueue(queueName, queueLengthMax);
      for (const pattern of patterns) topology.bind(exchange, pattern, queue);
      const consumer = queue.consume(prefetch, onMessage);
      return {
        async [Symbol.asyncDispose]() {
          await consumer.stop(closeLimitMs);
          if (name === undefined) topology.removeQueue(queueName);
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
      await topology.close(closeLimitMs);
    },
  };
}
