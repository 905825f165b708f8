import { describe } from "vitest";
import type { MessageTransport } from "../../../src/messaging/message-transport.ts";
import { openRabbitmq } from "../../../src/messaging/rabbitmq/rabbitmq.ts";
import { silentLogger } from "../../../src/telemetry/logger.ts";
import { freshVhost } from "../../support/rabbitmq.ts";
import { conformance } from "../conformance.ts";

/** A virtual host of its own for every transport; it goes with the transport. */
async function open(): Promise<MessageTransport> {
  const vhost = await freshVhost();
  const transport = await openRabbitmq({ url: vhost.url, logger: silentLogger });
  const close = transport[Symbol.asyncDispose].bind(transport);
  transport[Symbol.asyncDispose] = async () => {
    await close();
    await vhost[Symbol.asyncDispose]();
  };
  return transport;
}
describe("RabbitMQ transport", () => {
  conformance(open);
});
