/**
 * The one place that knows there are two transports.
 */
import type { TlsSettings } from "../files/tls-options.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Clock } from "../time/clock.ts";
import type { MessageTransport } from "./message-transport.ts";
import type { TopologyNames } from "./topology.ts";

export interface TransportOptions {
  readonly logger: Logger;
  /** Where the URL is read again at each connection. */
  readonly urlFile?: string | undefined;
  readonly tls?: TlsSettings;
  /** Of exchanges and queues; the usual ones unless given. */
  readonly names?: TopologyNames;
  readonly clock?: Clock;
  /** Shown in the broker's list of connections. */
  readonly connectionName?: string;
}

/**
 * RabbitMQ when there is a URL, else this process. Each is loaded only when it is wanted: amqplib
 * takes 16 ms, which the commands without a broker do not have to spend.
 *
 * @throws OperatorError when the URL is not one of AMQP
 */
export async function openTransport(
  url: string | undefined,
  options: TransportOptions,
): Promise<MessageTransport> {
  if (url === undefined) {
    const { openInProcess } = await import("./in-process/in-process.ts");
    return openInProcess(options);
  }
  const { openRabbitmq } = await import("./rabbitmq/rabbitmq.ts");
  return openRabbitmq({ url, ...options });
}
