/** What publishes a worker's messages, wired as the service does it, over a transport of the test's own. */
import type { Database } from "../../src/database/database.ts";
import { DeliveryRecord } from "../../src/events/delivery/delivery-record.ts";
import { OutboxSweeper, type OutboxSweeperOptions } from "../../src/events/delivery/outbox-sweeper.ts";
import { Publisher } from "../../src/events/delivery/publisher.ts";
import { RefusedMessages, type RefusedMessagesOptions } from "../../src/events/delivery/refused-messages.ts";
import type { Delivery, MessageTransport, OutgoingMessage } from "../../src/messaging/message-transport.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { createMetrics, type Metrics } from "../../src/telemetry/metrics.ts";
import { systemClock } from "../../src/time/clock.ts";

export interface Publishing extends AsyncDisposable {
  readonly publisher: Publisher;
  readonly sweeper: OutboxSweeper;
  readonly refused: RefusedMessages;
  readonly deliveries: DeliveryRecord;
  readonly metrics: Metrics;
  /** Runs all parts; the end of the scope stops them. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

export interface PublishingOptions
  extends
    Partial<Omit<OutboxSweeperOptions, "database" | "transport" | "publisher" | "onOwed">>,
    Pick<RefusedMessagesOptions, "delays"> {
  readonly database: Database;
  readonly transport: MessageTransport;
  readonly instance: string;
  readonly installationId: string;
  readonly inFlightMax?: number;
  readonly onConfirmed?: (messageId: string) => void;
}

export function preparePublishing(options: PublishingOptions): Publishing {
  const metrics = createMetrics({ version: "test", withProcess: false });
  const common = {
    metrics,
    logger: silentLogger,
    clock: systemClock,
    random: () => 0,
    inFlightMax: 1_000,
    intervalMs: 50,
    leaseMs: 10_000,
    ...options,
  };
  const deliveries = new DeliveryRecord({
    ...common,
    metrics,
    onRefused: (routingKey, reason) => refused.note(routingKey, reason),
  });
  const publisher: Publisher = new Publisher({
    ...common,
    metrics,
    deliveries,
    onLeft: (left) => sweeper.readLeft(left),
  });
  const refused: RefusedMessages = new RefusedMessages({ ...common, publisher });
  const sweeper: OutboxSweeper = new OutboxSweeper({
    ...common,
    publisher,
    onOwed: () => refused.noteOwed(),
  });
  const stopping = new AbortController();
  const runs: Promise<void>[] = [];

  async function stop(): Promise<void> {
    stopping.abort();
    await Promise.all(runs);
  }

  return {
    publisher,
    sweeper,
    refused,
    deliveries,
    metrics,
    async start() {
      await sweeper.open();
      for (const part of [publisher.rows, sweeper, refused]) runs.push(part.run(stopping.signal));
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/** A row of the outbox about an event, as the database answers it. */
export function owedEventRow(id: string, instance: string | null): object {
  return {
    message_id: id,
    routing_key: "event.created",
    instance,
    bytes: 1,
    body: null,
    event: "1",
    trigger: "1",
    trigger_ref: "demo.tick",
    source: null,
    source_ref: null,
    event_payload: "{}",
    event_config: "{}",
    event_replayed_from: null,
    event_created: new Date(0),
    trace: null,
  };
}

/** A transport whose answers the test gives. */
export interface ScriptedTransport extends MessageTransport {
  /** In the order they were given. */
  readonly published: OutgoingMessage[];
  readonly ids: () => string[];
  state: "up" | "down";
  confirmAll(): void;
  /** Instead of waiting for `confirmAll`. */
  answer: ((message: OutgoingMessage) => Promise<Delivery>) | undefined;
}

export function scriptedTransport(): ScriptedTransport {
  const waiting: ((delivery: Delivery) => void)[] = [];
  const published: OutgoingMessage[] = [];
  return {
    kind: "in-process",
    sensorQueues: undefined,
    address: "test",
    state: "up",
    published,
    ids: () => published.map(({ messageId }) => messageId),
    answer: undefined,
    publish(message) {
      published.push(message);
      if (this.answer !== undefined) return this.answer(message);
      return new Promise((resolve) => waiting.push(resolve));
    },
    confirmAll() {
      for (const confirm of waiting.splice(0)) confirm("routed");
    },
    connected: async () => {},
    subscribe: () => Promise.reject(new Error("nobody subscribes")),
    health() {
      const { state } = this;
      return { state, condition: state === "up" ? "up" : "disconnected", detail: "", checkedAtMs: 0 };
    },
    [Symbol.asyncDispose]: async () => {},
  };
}
