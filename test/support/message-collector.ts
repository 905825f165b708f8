/**
 * A consumer as the platform's services are: a durable queue, messages recognised by their id.
 */
import { decodeMessage, type Envelope } from "../../src/messaging/messages/envelope.ts";
import { openRabbitmq } from "../../src/messaging/rabbitmq/rabbitmq.ts";
import { usualNames, type TopologyNames } from "../../src/messaging/topology.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";

export interface MessageCollector extends AsyncDisposable {
  /** Message id → envelope. */
  readonly messages: ReadonlyMap<string, Envelope>;
  /** Deliveries of a message that was there already. */
  readonly repetitions: () => number;
  /** The longest time from a message's timestamp to its first delivery. */
  readonly delayMsMax: () => number;
}

export interface CollectorNames {
  readonly names?: TopologyNames | undefined;
  readonly queue?: string | undefined;
}

export async function collectMessages(
  brokerUrl: string,
  bindings: readonly string[],
  { names = usualNames, queue = "collected" }: CollectorNames = {},
): Promise<MessageCollector> {
  const transport = await openRabbitmq({ url: brokerUrl, names, logger: silentLogger });
  const messages = new Map<string, Envelope>();
  let repetitions = 0;
  let delayMsMax = 0;
  const subscription = { exchange: names.events, bindings, queue, prefetch: 1_000 };
  await transport.subscribe(subscription, async ({ body }) => {
    const decoded = decodeMessage(body);
    if (!decoded.ok) return "dead-letter";
    const { envelope } = decoded;
    if (messages.has(envelope.message_id)) repetitions += 1;
    else delayMsMax = Math.max(delayMsMax, Date.now() - Date.parse(envelope.timestamp));
    messages.set(envelope.message_id, envelope);
    return "done";
  });
  return {
    messages,
    repetitions: () => repetitions,
    delayMsMax: () => delayMsMax,
    [Symbol.asyncDispose]: () => transport[Symbol.asyncDispose](),
  };
}
