/**
 * A subscription that outlives connections: on every session that is up it has its consumer, until
 * its signal aborts.
 */
import { once } from "node:events";
import { backoffDelayMs, type BackoffLimits } from "../../model/sensors/backoff.ts";
import type { Logger } from "../../telemetry/logger.ts";
import { OutageLog } from "../../telemetry/outage-log.ts";
import type { Clock } from "../../time/clock.ts";
import { startConsumer } from "./consumer.ts";
import { reasonOf, type AmqpSession } from "./session.ts";
import type { OnMessage, Subscription } from "../message-transport.ts";
import type { Topology } from "../topology.ts";

export interface SubscriptionOptions {
  readonly subscription: Subscription;
  readonly onMessage: OnMessage;
  /** Resolves with the session that is up, as soon as there is one. */
  readonly session: () => Promise<AmqpSession>;
  /** As it was last declared. */
  readonly topology: () => Topology;
  /** Called whenever the consumer is in place. */
  readonly onEstablished: () => void;
  /** Called whenever the broker refused it; it is tried again after a while. */
  readonly onRefused: (error: unknown) => void;
  readonly retryDelays: BackoffLimits;
  readonly stopLimitMs: number;
  readonly logger: Logger;
  readonly clock: Clock;
}

export async function keepSubscribed(options: SubscriptionOptions, signal: AbortSignal): Promise<void> {
  const { subscription, onMessage, retryDelays, logger, clock } = options;
  const subject = `the subscription of ${subscription.queue ?? subscription.bindings.join(", ")}`;
  const texts = { begins: `${subject} is down; trying again`, ends: `${subject} is up again` };
  const outage = new OutageLog(texts, options);
  const ending = abortOf(signal);
  let failures = 0;
  while (!signal.aborted) {
    const session = await Promise.race([options.session(), ending]);
    if (session === undefined) return;
    try {
      const topology = options.topology();
      const starting = startConsumer(session.connection, topology, subscription, onMessage, logger);
      const consumer = await Promise.race([starting, ending]);
      if (consumer === undefined) {
        // The broker may not answer for long.
        void starting.then((late) => late.stop(options.stopLimitMs)).catch(() => {});
        return;
      }
      options.onEstablished();
      outage.recovered();
      failures = 0;
      const reason = await Promise.race([consumer.ended, ending]);
      await consumer.stop(options.stopLimitMs);
      if (reason !== undefined) throw reason;
    } catch (error) {
      // With the session gone the error says nothing of the subscription.
      if (!session.hasEnded) {
        options.onRefused(error);
        outage.failed({ reason: reasonOf(error) });
      }
      failures += 1;
      await clock.sleep(backoffDelayMs(failures, retryDelays, Math.random()), signal);
    }
  }
}

async function abortOf(signal: AbortSignal): Promise<undefined> {
  if (!signal.aborted) await once(signal, "abort");
}
