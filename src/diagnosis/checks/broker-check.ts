import type { Config } from "../../config/schema.ts";
import { openTransport } from "../../messaging/open-transport.ts";
import { namesOf } from "../../messaging/topology.ts";
import { silentLogger } from "../../telemetry/logger.ts";
import { good, type Finding } from "../finding.ts";

const connectTimeoutMs = 5_000;

/** @throws OperatorError BROKER_UNREACHABLE */
export async function checkBroker({ message_queue: queue }: Config): Promise<readonly Finding[]> {
  if (queue.url === undefined) return [good("broker", "in this process (message_queue.url is not set)")];

  await using transport = await openTransport(queue.url, {
    tls: queue.tls,
    names: namesOf(queue),
    logger: silentLogger,
  });
  await transport.connected(connectTimeoutMs, "one");
  return [good("broker", transport.address)];
}
