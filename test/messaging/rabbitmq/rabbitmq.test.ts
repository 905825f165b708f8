import { describe, expect, test } from "vitest";
import type { MessageTransport } from "../../../src/messaging/message-transport.ts";
import { openRabbitmq } from "../../../src/messaging/rabbitmq/rabbitmq.ts";
import { silentLogger } from "../../../src/telemetry/logger.ts";
import { freshVhost, type FreshVhost } from "../../support/rabbitmq.ts";
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

// What is declared and sent is in ../rabbitmq-topology.test.ts, what becomes of faults in ../rabbitmq-faults.test.ts.
describe("RabbitMQ transport", () => {
  conformance(open);

  test("operators see who is connected, in the broker's list of connections", async () => {
    await using vhost = await freshVhost();
    await using transport = await openRabbitmq({
      url: vhost.url,
      connectionName: "attune-sensor-agent w1",
      logger: silentLogger,
    });
    await transport.connected(10_000);

    await expect
      .poll(() => vhost.manage("GET", "/api/vhosts/{vhost}/connections"), { timeout: 30_000 })
      .toMatchObject([{ user_provided_name: "attune-sensor-agent w1", timeout: 20 }]);
  });

  test("subscriptions share the connection, each with a channel and a limit of its own", async () => {
    await using vhost = await freshVhost();
    await using transport = await openRabbitmq({ url: vhost.url, logger: silentLogger });
    for (const prefetch of [7, 9])
      await transport.subscribe(
        { exchange: "attune.events", bindings: ["#"], prefetch },
        async () => "done" as const,
      );

    await expect.poll(() => prefetchesOf(vhost), { timeout: 30_000 }).toEqual([0, 7, 9]);
    expect(await vhost.manage("GET", "/api/vhosts/{vhost}/connections")).toHaveLength(1);
  });
});

/** Of each channel; the one for publishing consumes nothing. */
async function prefetchesOf(vhost: FreshVhost): Promise<readonly number[]> {
  const channels = await vhost.manage("GET", "/api/vhosts/{vhost}/channels");
  if (!Array.isArray(channels)) throw new Error("the management API answers with a list");
  return channels
    .map(({ prefetch_count: prefetch }: { readonly prefetch_count: number }) => prefetch)
    .toSorted((one, other) => one - other);
}
