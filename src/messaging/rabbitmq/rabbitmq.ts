/**
 * The transport over RabbitMQ. It opens one session after another for as long as it lives:
 *
 *     starting ──▶ up ──▶ down ──▶ up ──▶ …      closed from any of them
 *
 * - up: the publish window feeds the session's confirm channel, each subscription has its consumer. While the
 *   broker blocks the connection (an alarm of memory or disk), or leaves messages without an answer, health says so.
 * - down: messages and subscriptions wait. The next attempt comes after a delay that doubles from
 *   0.1 s to 5 s, so that a broker which returns after minutes is found within seconds.
 *
 * Closing goes from the edge inwards: refuse new work, let handlers finish, wait for confirms, close the connection,
 * reject the remaining messages. Each step has a time limit. A message rejected at this point may have reached the
 * broker; its owner sends it again under the same id.
 */
import type { Channel } from "amqplib";
import { settlesWithin } from "../../concurrency/settles-within.ts";
import type { Explanation } from "../../errors/connection-failure.ts";
import { OperatorError } from "../../errors/operator-error.ts";
import { rereadText } from "../../files/reread-text.ts";
import { tlsOptions, type TlsOptions, type TlsSettings } from "../../files/tls-options.ts";
import { backoffDelayMs } from "../../model/sensors/backoff.ts";
import type { Logger } from "../../telemetry/logger.ts";
import { OutageLog } from "../../telemetry/outage-log.ts";
import { systemClock, type Clock } from "../../time/clock.ts";
import { openPublisher, type AmqpPublisher } from "./publisher.ts";
import { openSession, type AmqpSession } from "./session.ts";
import { keepSubscribed } from "./subscription.ts";
import { declareTopology, onChannel } from "./declare-topology.ts";
import { rabbitmqSensorQueues } from "./sensor-queues.ts";
import type { SensorQueues } from "../sensor-queues.ts";
import { brokerAddress, isBrokerUrl, type BrokerAddress } from "./address.ts";
import { sourceService } from "../messages/envelope.ts";
import { blockedBroker, explainBrokerFailure, silentBroker } from "./explain-failure.ts";
import { linkHealth } from "./link-health.ts";
import type {
  BrokerHealth,
  Delivery,
  MessageTransport,
  OnMessage,
  OutgoingMessage,
  Subscription,
} from "../message-transport.ts";
import { PublishWindow } from "./publish-window.ts";
import { topologyOf, usualNames, type Topology, type TopologyNames } from "../topology.ts";

export interface RabbitmqOptions {
  /** amqp://user:password@host:port/vhost, or amqps:// */
  readonly url: string;
  /** Where the URL came from, to be read again at each connection; undefined: it does not change. */
  readonly urlFile?: string | undefined;
  /** Of a URL that begins with amqps:// */
  readonly tls?: TlsSettings;
  /** Of exchanges and queues on the broker. */
  readonly names?: TopologyNames;
  readonly logger: Logger;
  readonly clock?: Clock;
  /** Shown in the broker's list of connections. */
  readonly connectionName?: string;
  /** A connection from which nothing was heard for two to three of these is given up. Default 20. */
  readonly heartbeatSeconds?: number;
  readonly connectTimeoutMs?: number;
  /** How long handlers and confirms may each take when the transport is closed. */
  readonly closeLimitMs?: number;
}

/**
 * The broker confirms messages in groups of hundreds, once they are on its disk. With 1,000 in flight it was often idle by
 * then; 4,000 gained little over 3,000.
 */
export const windowLimits = { countMax: 3_000, bytesMax: 16 * 1024 * 1024 };
const delays = { delayMsFirst: 100, delayMsMax: 5_000 };
const goodbyeLimitMs = 1_000;
/** A session that lived this long forgives the failures before it. */
const stableAfterMs = 5_000;

type Link =
  | { readonly kind: "starting" }
  | { readonly kind: "up"; readonly session: AmqpSession; readonly sinceMs: number }
  | { readonly kind: "down"; readonly failure: Explanation };

/**
 * Opens the transport. Resolves at once and connects in the background; callers that need the broker
 * now await `connected`.
 *
 * @throws OperatorError when the URL is not one of AMQP
 */
export async function openRabbitmq(options: RabbitmqOptions): Promise<MessageTransport> {
  return new RabbitmqTransport(options, brokerAddress(options.url));
}

class RabbitmqTransport implements MessageTransport {
  readonly kind = "rabbitmq";
  readonly address: string;
  readonly sensorQueues: SensorQueues;
  readonly #options: Required<Omit<RabbitmqOptions, "url" | "urlFile" | "tls">>;
  /** A password may have been rotated since the last connection. */
  readonly #url: () => string;
  readonly #tls: () => TlsOptions;
  readonly #outage: OutageLog;
  readonly #window: PublishWindow;
  readonly #subscriptions = new Set<AsyncDisposable>();
  /** Aborts when the transport begins to close: no new work, no reconnection. */
  readonly #closing = new AbortController();
  readonly #running: Promise<void>;
  #link: Link = { kind: "starting" };
  #blockedReason: string | undefined;
  #topology: Topology;
  readonly #deviationsTold = new Set<string>();
  #up = Promise.withResolvers<AmqpSession>();
  readonly #firstFailure = Promise.withResolvers<void>();
  #heardAtMs: number;
  #closed: Promise<void> | undefined;

  constructor(options: RabbitmqOptions, broker: BrokerAddress) {
    this.#options = {
      names: usualNames,
      clock: systemClock,
      connectionName: sourceService,
      heartbeatSeconds: 20,
      connectTimeoutMs: 5_000,
      closeLimitMs: 5_000,
      ...options,
    };
    this.#tls = tlsOptions(options.tls ?? {});
    this.#url = rereadText(options.urlFile, options.url, isBrokerUrl);
    this.#topology = topologyOf(this.#options.names);
    this.address = broker.shown;
    this.#heardAtMs = this.#options.clock.monotonicMs();
    const connection = `the connection to RabbitMQ at ${this.address}`;
    const texts = { begins: `${connection} is down; trying again`, ends: `${connection} is up again` };
    this.#outage = new OutageLog(texts, this.#options);
    this.sensorQueues = rabbitmqSensorQueues(
      this.#options.names.events,
      () => this.#home(),
      (what, work) => this.#onBroker(what, work),
    );
    this.#window = new PublishWindow(windowLimits, () => this.#options.clock.monotonicMs());
    this.#running = this.#run();
  }

  publish(message: OutgoingMessage): Promise<Delivery> {
    if (this.#closing.signal.aborted) return Promise.reject(this.#closedError());
    return this.#window.publish(message);
  }

  async subscribe(subscription: Subscription, onMessage: OnMessage): Promise<AsyncDisposable> {
    const { logger, clock, closeLimitMs: stopLimitMs } = this.#options;
    const disposal = new AbortController();
    const established = Promise.withResolvers<void>();
    const options = {
      subscription,
      onMessage,
      session: () => this.#up.promise,
      topology: () => this.#topology,
      onEstablished: established.resolve,
      onRefused: established.reject,
      retryDelays: delays,
      stopLimitMs,
      logger,
      clock,
    };
    const signal = AbortSignal.any([disposal.signal, this.#closing.signal]);
    const consuming = keepSubscribed(options, signal).finally(() => established.reject(this.#closedError()));
    const disposable: AsyncDisposable = {
      [Symbol.asyncDispose]: async () => {
        disposal.abort();
        await consuming;
        this.#subscriptions.delete(disposable);
      },
    };
    this.#subscriptions.add(disposable);
    try {
      await established.promise;
    } catch (error) {
      await disposable[Symbol.asyncDispose]();
      throw error;
    }
    return disposable;
  }

  async connected(timeoutMs: number, attempts: "one" | "many" = "many"): Promise<void> {
    const up = this.#up.promise;
    await settlesWithin(attempts === "one" ? Promise.race([up, this.#firstFailure.promise]) : up, timeoutMs);
    if (this.#link.kind === "up") return;
    const failure = this.#link.kind === "down" ? this.#link.failure : silentBroker;
    throw new OperatorError({ ...failure, attempt: `connect to RabbitMQ at ${this.address}` });
  }

  health(): BrokerHealth {
    const { unansweredMs, unconfirmed } = this.#window;
    return linkHealth({
      address: this.address,
      link: this.#link,
      blockedReason: this.#blockedReason,
      unansweredMs,
      unconfirmed,
      heardAtMs: this.#heardAtMs,
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #run(): Promise<void> {
    const { clock } = this.#options;
    let failures = 0;
    while (!this.#closing.signal.aborted) {
      const failure = await this.#live();
      if (this.#closing.signal.aborted) return;
      const link = this.#link;
      if (link.kind === "up" && clock.monotonicMs() - link.sinceMs >= stableAfterMs) failures = 0;
      failures += 1;
      this.#link = { kind: "down", failure };
      this.#firstFailure.resolve();
      this.#outage.failed({ reason: failure.reason, remedy: failure.remedy }, failure.reason);
      await this.#pause(failures);
    }
  }

  /** Lives through one session, or fails to open it; resolves with why there is none any more. */
  async #live(): Promise<Explanation> {
    const { connectTimeoutMs, clock } = this.#options;
    let session: AmqpSession | undefined;
    this.#setBlocked(undefined);
    try {
      session = await openSession({
        ...this.#options,
        address: brokerAddress(this.#url()),
        tls: this.#tls(),
        onHeard: () => (this.#heardAtMs = clock.monotonicMs()),
        onBlocked: (reason) => this.#setBlocked(reason),
      });
      let publisher = await within(connectTimeoutMs, this.#openPublisher(session));
      this.#begin(session);
      while (!session.hasEnded) {
        publisher.feedFrom(this.#window);
        const refusal = await publisher.ended;
        this.#window.lose(refusal);
        if (!session.hasEnded) publisher = await this.#openPublisher(session);
      }
      return explainBrokerFailure(await session.ended, { hadWorked: true });
    } catch (error) {
      const failure = session?.hasEnded ? await session.ended : error;
      return explainBrokerFailure(failure, { hadWorked: this.#link.kind === "up" });
    } finally {
      // Those who wait for a session hold this promise: it is replaced only once it was kept.
      if (this.#link.kind === "up") this.#up = Promise.withResolvers();
      await session?.close(goodbyeLimitMs);
    }
  }

  async #openPublisher(session: AmqpSession): Promise<AmqpPublisher> {
    const { names, logger } = this.#options;
    const { topology, deviations } = await declareTopology(session.connection, names);
    this.#topology = topology;
    for (const deviation of deviations) {
      if (this.#deviationsTold.has(deviation)) continue;
      this.#deviationsTold.add(deviation);
      logger.warn({ dead_letter_exchange: topology.names.deadLetters }, `${deviation}; using it as it is`);
    }
    return await openPublisher(session, names.events);
  }

  /**
   * What does not end in time is abandoned: done later, unnoticed, it could undo what was done since.
   *
   * @throws OperatorError when the broker is out of reach, accepts nothing, does not answer in time, or refuses it
   */
  async #onBroker<T>(what: string, work: (channel: Channel) => Promise<T>): Promise<T> {
    const { connectTimeoutMs } = this.#options;
    await this.connected(connectTimeoutMs);
    const attempt = `${what} on RabbitMQ at ${this.address}`;
    // It does not read this connection, and would answer when all that waits by then is outdated.
    if (this.#blockedReason !== undefined)
      throw new OperatorError({ ...blockedBroker(this.#blockedReason), attempt });
    const abandoning = new AbortController();
    try {
      const { connection } = await within(connectTimeoutMs, this.#up.promise);
      return await within(connectTimeoutMs, onChannel(connection, work, abandoning.signal));
    } catch (error) {
      throw new OperatorError({ ...explainBrokerFailure(error), attempt, cause: error });
    } finally {
      abandoning.abort();
    }
  }

  /** @throws OperatorError when the broker is out of reach */
  async #home(): Promise<string> {
    const { connectTimeoutMs } = this.#options;
    await this.connected(connectTimeoutMs);
    const { connection } = (await within(connectTimeoutMs, this.#up.promise)).connection;
    return `${connection.serverProperties["cluster_name"] ?? ""} at ${this.address}`;
  }

  #setBlocked(reason: string | undefined): void {
    this.#blockedReason = reason;
    if (reason === undefined) this.#window.resume();
    else this.#window.pause();
  }

  #begin(session: AmqpSession): void {
    if (this.#closing.signal.aborted) throw this.#closedError();
    this.#link = { kind: "up", session, sinceMs: this.#options.clock.monotonicMs() };
    this.#outage.recovered();
    this.#up.resolve(session);
  }

  async #close(): Promise<void> {
    this.#closing.abort();
    await Promise.all([...this.#subscriptions].map((subscription) => subscription[Symbol.asyncDispose]()));
    if (this.#link.kind === "up") {
      const { session } = this.#link;
      // A session that ends now will not be followed by another, so nothing more would be confirmed.
      const drained = Promise.race([this.#window.whenEmpty(), session.ended]);
      await settlesWithin(drained, this.#options.closeLimitMs);
      this.#window.end(this.#closedError());
      await session.close(goodbyeLimitMs);
    }
    this.#window.end(this.#closedError());
    // An attempt to connect that is under way ends by its own limit, and then leaves at once.
    await settlesWithin(this.#running, goodbyeLimitMs);
  }

  #pause(failures: number): Promise<void> {
    const delayMs = backoffDelayMs(failures, delays, Math.random());
    return this.#options.clock.sleep(delayMs, this.#closing.signal);
  }

  #closedError(): Error {
    return new Error(`the connection to RabbitMQ at ${this.address} is closed`);
  }
}

async function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  // Heartbeats notice a broker that stops answering too, but much later than a caller wants to wait.
  if (await settlesWithin(promise, ms)) return promise;
  throw new Error(`the broker did not answer within ${ms} ms`);
}
