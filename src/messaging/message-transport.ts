/**
 * A broker as the rest of the code sees it. Two implementations stand behind it, RabbitMQ and an
 * in-process one, held to one conformance suite (test/messaging/conformance.ts).
 */
import type { PartHealth } from "../telemetry/part-health.ts";
import type { SensorQueues } from "./sensor-queues.ts";

export interface OutgoingMessage {
  /** The exchange for events, unless named. */
  readonly exchange?: string;
  readonly routingKey: string;
  readonly messageId: string;
  readonly correlationId: string;
  /** The envelope's message_type; becomes the AMQP property `type`. */
  readonly type: string;
  readonly timestampMs: number;
  /** Beside the body, for consumers that route or filter without parsing it. */
  readonly headers?: Readonly<Record<string, string>>;
  /** `application/json` unless named. */
  readonly contentType?: string;
  readonly body: Buffer | string;
}

export interface IncomingMessage {
  readonly exchange: string;
  readonly routingKey: string;
  readonly messageId: string | undefined;
  readonly isRedelivered: boolean;
  readonly body: Buffer;
}

/** Whether a confirmed message reached a queue. */
export type Delivery = "routed" | "unroutable";

/** The broker did not take the message. Queues beside the one that refused it may have it all the same. */
export class MessageRefusedError extends Error {
  override readonly name = "MessageRefusedError";
  /** Whether the broker can never take it; else a queue has no room for it now, or a right or an exchange is missing. */
  readonly isFinal: boolean;

  constructor(reason: string, { isFinal, cause }: { isFinal: boolean; cause?: unknown }) {
    super(reason, { cause });
    this.isFinal = isFinal;
  }
}

/** What becomes of a delivered message; only the transport acknowledges. */
export type Verdict = "done" | "requeue" | "dead-letter";

export type OnMessage = (message: IncomingMessage) => Promise<Verdict>;

export interface Subscription {
  readonly exchange: string;
  readonly bindings: readonly string[];
  /**
   * A named queue is durable and shared. Without a name it is exclusive and goes with the consumer or
   * the connection: what is published before the subscription is back in place is missed.
   */
  readonly queue?: string;
  /** How many messages may be unacknowledged at once. */
  readonly prefetch: number;
}

/** Why a broker that is not up takes no messages. */
export type BrokerCondition =
  | "up"
  | "connecting"
  | "disconnected"
  /** It has raised an alarm (memory, disk) and accepts nothing until that is over. */
  | "blocked"
  /** The connection is open, and messages on it have no answer for longer than usual. */
  | "silent";

export interface BrokerHealth extends PartHealth {
  readonly condition: BrokerCondition;
}

export interface MessageTransport extends AsyncDisposable {
  readonly kind: "rabbitmq" | "in-process";
  /** For people: host, port and vhost; never credentials. */
  readonly address: string;
  /** Undefined: no other process can read from this transport. */
  readonly sensorQueues: SensorQueues | undefined;
  /**
   * Resolves once the broker has taken responsibility for the message. While the broker is down or accepts
   * nothing the message waits here, and is sent, possibly again, afterwards. What waits is bounded by the caller.
   *
   * @throws MessageRefusedError when a queue or the broker refuses it; Error when the transport is closed
   */
  publish(message: OutgoingMessage): Promise<Delivery>;
  /** Whether a message for events under this routing key would reach a queue. Left out: only the broker knows. */
  readonly isHeard?: (routingKey: string) => boolean;
  /**
   * Delivers until disposed; re-established after reconnection. A handler that throws requeues once,
   * then dead-letters. Resolves once the subscription is in place, however long the broker is unreachable;
   * rejects when the broker refuses it, or the transport is closed before.
   */
  subscribe(subscription: Subscription, onMessage: OnMessage): Promise<AsyncDisposable>;
  /**
   * Resolves once the broker is connected.
   *
   * @param attempts `one` gives up as soon as the first attempt fails
   * @throws OperatorError BROKER_UNREACHABLE with the last reason after `timeoutMs`
   */
  connected(timeoutMs: number, attempts?: "one" | "many"): Promise<void>;
  health(): BrokerHealth;
}
