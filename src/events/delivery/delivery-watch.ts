/**
 * Logs when the broker accepts no messages, refuses some, or has no queue for them, and when that is over, with one line
 * each. The transport itself logs lost connections.
 */
import { WakeableLoop } from "../../concurrency/wakeable-loop.ts";
import type { BrokerHealth, MessageTransport } from "../../messaging/message-transport.ts";
import type { Logger } from "../../telemetry/logger.ts";
import type { Clock } from "../../time/clock.ts";
import { needsQueue } from "./delivery-health.ts";
import type { DeliveryRecord } from "./delivery-record.ts";
import type { RefusedMessages } from "./refused-messages.ts";

export interface DeliveryWatchOptions {
  readonly transport: Pick<MessageTransport, "health">;
  readonly deliveries: Pick<DeliveryRecord, "unroutable">;
  readonly refused: Pick<RefusedMessages, "counts">;
  readonly logger: Logger;
  readonly clock: Clock;
}

const intervalMs = 1_000;
/** While all is well. Only what nobody tells waits so long: that the broker blocks or confirms nothing. */
const restMs = 15_000;

export class DeliveryWatch {
  readonly #options: DeliveryWatchOptions;
  readonly #loop: WakeableLoop;
  #stalledSinceMs: number | undefined;
  readonly #refusedSinceMs = new Map<string, number>();
  #unroutable: readonly string[] = [];

  constructor(options: DeliveryWatchOptions) {
    this.#options = options;
    this.#loop = new WakeableLoop({
      step: async () => this.look(),
      intervalMs: () => (this.#isWell() ? restMs : intervalMs),
      retryDelayMs: () => intervalMs,
      onFailure: (error) => options.logger.error({ error }, "could not check how messages are delivered"),
      clock: options.clock,
    });
  }

  async run(signal: AbortSignal): Promise<void> {
    await this.#loop.run(signal);
  }

  /** Requests a look at once: something is no longer well. */
  wake(): void {
    this.#loop.wake();
  }

  look(): void {
    const { transport, deliveries, refused } = this.#options;
    this.#lookAtBroker(transport.health());
    this.#lookAtRefused(new Map(Array.from(refused.counts(), ([key, { reason }]) => [key, reason])));
    this.#lookAtUnroutable([...deliveries.unroutable().keys()].toSorted());
  }

  #isWell(): boolean {
    const isInTrouble = this.#refusedSinceMs.size > 0 || this.#unroutable.some(needsQueue);
    return !isInTrouble && this.#options.transport.health().condition === "up";
  }

  #lookAtBroker({ condition, detail }: BrokerHealth): void {
    const { logger, clock } = this.#options;
    const isStalled = condition === "blocked" || condition === "silent";
    if (isStalled && this.#stalledSinceMs === undefined) {
      this.#stalledSinceMs = clock.monotonicMs();
      logger.warn({ condition }, `${detail}; events are stored, and their messages follow`);
    } else if (condition === "up" && this.#stalledSinceMs !== undefined) {
      logger.info(
        { for_seconds: this.#secondsSince(this.#stalledSinceMs) },
        "the broker accepts messages again",
      );
      this.#stalledSinceMs = undefined;
    }
  }

  #lookAtRefused(reasons: ReadonlyMap<string, string>): void {
    const { logger, clock } = this.#options;
    for (const [key, reason] of reasons) {
      if (this.#refusedSinceMs.has(key)) continue;
      this.#refusedSinceMs.set(key, clock.monotonicMs());
      logger.warn(
        { routing_key: key, reason },
        `messages under ${key} are refused: ${reason}; they stay in the outbox and are retried at growing intervals`,
      );
    }
    for (const [key, sinceMs] of this.#refusedSinceMs) {
      if (reasons.has(key)) continue;
      this.#refusedSinceMs.delete(key);
      logger.info(
        { routing_key: key, for_seconds: this.#secondsSince(sinceMs) },
        `all messages under ${key} that were refused have been accepted`,
      );
    }
  }

  #lookAtUnroutable(keys: readonly string[]): void {
    const { logger } = this.#options;
    const before = this.#unroutable;
    if (keys.join() === before.join()) return;
    this.#unroutable = keys;
    if (keys.length === 0) {
      logger.info({ routing_keys: before }, `messages under ${before.join(", ")} reach a queue again`);
    } else {
      logger.warn(
        { routing_keys: keys },
        `no queue is bound for ${keys.join(", ")}: nobody receives these messages`,
      );
    }
  }

  #secondsSince(ms: number): number {
    return Math.round((this.#options.clock.monotonicMs() - ms) / 1_000);
  }
}
