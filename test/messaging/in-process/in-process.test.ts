import { describe, expect, test } from "vitest";
import { openInProcess } from "../../../src/messaging/in-process/in-process.ts";
import { silentLogger } from "../../../src/telemetry/logger.ts";
import { conformance, outgoing, recorder } from "../conformance.ts";

describe("in-process transport", () => {
  conformance(() => openInProcess({ logger: silentLogger }));

  test("a full queue with a consumer holds publishers back, and loses nothing", async () => {
    await using transport = await openInProcess({ logger: silentLogger, queueLengthMax: 5 });
    const release = Promise.withResolvers<void>();
    const seen = recorder();
    await transport.subscribe(
      { exchange: "attune.events", bindings: ["#"], prefetch: 1 },
      async (message) => {
        await release.promise;
        return seen.onMessage(message);
      },
    );

    let published = 0;
    const sending = Array.from({ length: 50 }, async () => {
      await transport.publish(outgoing());
      published += 1;
    });
    await new Promise((resolve) => setImmediate(resolve));
    const publishedWhileFull = published;
    release.resolve();
    await Promise.all(sending);

    expect(publishedWhileFull).toBeLessThan(10);
    await expect.poll(() => seen.messages.length).toBe(50);
  });

  test("closing lets publishers go that wait for room", async () => {
    const transport = await openInProcess({ logger: silentLogger, queueLengthMax: 1 });
    const release = Promise.withResolvers<"done">();
    await transport.subscribe(
      { exchange: "attune.events", bindings: ["#"], prefetch: 1 },
      () => release.promise,
    );
    const sending = Array.from({ length: 10 }, () => transport.publish(outgoing()));
    await new Promise((resolve) => setImmediate(resolve));

    const closing = transport[Symbol.asyncDispose]();

    expect(await Promise.all(sending)).toHaveLength(10);
    release.resolve("done");
    await closing;
  });

  test("a full queue that nobody consumes drops its oldest into the dead letters", async () => {
    await using transport = await openInProcess({ logger: silentLogger, queueLengthMax: 2 });
    const shared = { exchange: "attune.events", bindings: ["#"], queue: "kept", prefetch: 10 };
    const letters = recorder();
    await transport.subscribe({ exchange: "attune.dlx", bindings: ["#"], prefetch: 10 }, letters.onMessage);
    await using first = await transport.subscribe(shared, recorder().onMessage);
    await first[Symbol.asyncDispose]();

    for (const messageId of ["1", "2", "3", "4"]) await transport.publish(outgoing({ messageId }));

    const seen = recorder();
    await transport.subscribe(shared, seen.onMessage);
    await expect.poll(seen.ids).toEqual(["3", "4"]);
    await expect.poll(letters.ids).toEqual(["1", "2"]);
  });

  test("a handler that requeues at once and forever does not block the event loop", async () => {
    await using transport = await openInProcess({ logger: silentLogger });
    const seen = recorder(() => "requeue");
    await transport.subscribe({ exchange: "attune.events", bindings: ["#"], prefetch: 1 }, seen.onMessage);

    await transport.publish(outgoing());

    await expect.poll(() => seen.messages.length).toBeGreaterThan(10);
  });
});
