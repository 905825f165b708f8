/**
 * What the broker did with messages, by routing key: counted, and remembered for as long as it tells how things are.
 *
 * A key is unroutable from a message that no queue was bound for until messages under it reach queues again, and none
 * has missed them for a while: of several messages under one key some may.
 */
import type { Delivery } from "../../messaging/message-transport.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
import type { Clock } from "../../time/clock.ts";

export interface DeliveryRecordOptions {
  /** A message under this key was refused. */
  readonly onRefused?: (routingKey: string, reason: string) => void;
  /** From now on nobody receives the messages under a key. */
  readonly onUnroutable?: () => void;
  readonly metrics: Pick<Metrics, "messageUnroutable" | "messageRefused">;
  readonly clock: Clock;
}

interface Unroutable {
  count: number;
  lastAtMs: number;
  isRoutedAgain: boolean;
}

const unroutableForMs = 30_000;

export class DeliveryRecord {
  readonly #options: DeliveryRecordOptions;
  readonly #unroutable = new Map<string, Unroutable>();

  constructor(options: DeliveryRecordOptions) {
    this.#options = options;
  }

  confirmed(routingKey: string, delivery: Delivery): void {
    if (delivery === "unroutable") this.#noteUnroutable(routingKey);
    else if (this.#unroutable.size > 0) this.#noteRouted(routingKey);
  }

  refused(routingKey: string, reason: string): void {
    this.#options.metrics.messageRefused(routingKey);
    this.#options.onRefused?.(routingKey, reason);
  }

  /** Routing keys under which nobody receives messages, with how many were sent since. */
  unroutable(): ReadonlyMap<string, number> {
    const nowMs = this.#options.clock.monotonicMs();
    for (const [key, { isRoutedAgain, lastAtMs }] of this.#unroutable) {
      if (isRoutedAgain && nowMs - lastAtMs > unroutableForMs) this.#unroutable.delete(key);
    }
    return new Map(Array.from(this.#unroutable, ([key, { count }]) => [key, count]));
  }

  #noteUnroutable(routingKey: string): void {
    const { metrics, clock, onUnroutable } = this.#options;
    metrics.messageUnroutable(routingKey);
    const known = this.#unroutable.get(routingKey) ?? { count: 0, lastAtMs: 0, isRoutedAgain: false };
    known.count += 1;
    known.lastAtMs = clock.monotonicMs();
    known.isRoutedAgain = false;
    this.#unroutable.set(routingKey, known);
    if (known.count === 1) onUnroutable?.();
  }

  #noteRouted(routingKey: string): void {
    const known = this.#unroutable.get(routingKey);
    if (known !== undefined) known.isRoutedAgain = true;
  }
}
