/**
 * The conformance suite for transports, run against each implementation.
 */
import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import type {
  IncomingMessage,
  MessageTransport,
  OutgoingMessage,
  Verdict,
} from "../../src/messaging/message-transport.ts";

export function outgoing(overrides: Partial<OutgoingMessage> = {}): OutgoingMessage {
  const messageId = randomUUID();
  return {
    exchange: "attune.events",
    routingKey: "event.created",
    messageId,
    correlationId: messageId,
    type: "EventCreated",
    timestampMs: 1_795_000_000_000,
    body: "{}",
    ...overrides,
  };
}

/** A handler that keeps what it was given and answers by what `judge` says. */
export function recorder(judge: (message: IncomingMessage) => Verdict = () => "done"): {
  readonly messages: IncomingMessage[];
  readonly ids: () => (string | undefined)[];
  readonly onMessage: (message: IncomingMessage) => Promise<Verdict>;
} {
  const messages: IncomingMessage[] = [];
  return {
    messages,
    ids: () => messages.map(({ messageId }) => messageId),
    onMessage: async (message) => {
      messages.push(message);
      return judge(message);
    },
  };
}

export function conformance(open: () => Promise<MessageTransport>): void {
  const waiting = { timeout: 10_000, interval: 5 };

  test("a message reaches a subscription with its key, id and body", async () => {
    await using transport = await open();
    const seen = recorder();
    await transport.subscribe(
      { exchange: "attune.events", bindings: ["event.*"], prefetch: 10 },
      seen.onMessage,
    );
    const message = outgoing({ body: `{"text":"späte Grüße ✓"}` });

    await transport.publish(message);

    await expect.poll(seen.ids, waiting).toEqual([message.messageId]);
    const [received] = seen.messages;
    expect(received).toMatchObject({
      exchange: "attune.events",
      routingKey: "event.created",
      isRedelivered: false,
    });
    expect(received?.body.toString()).toBe(message.body);
  });

  test("only what the bindings match arrives, once even when several match", async () => {
    await using transport = await open();
    const seen = recorder();
    await transport.subscribe(
      { exchange: "attune.events", bindings: ["rule.*", "rule.created", "#.created.#"], prefetch: 10 },
      seen.onMessage,
    );

    await transport.publish(outgoing({ routingKey: "rule.enabled", messageId: "enabled" }));
    await transport.publish(outgoing({ routingKey: "rule.created", messageId: "created" }));
    await transport.publish(outgoing({ routingKey: "sensor.started", messageId: "started" }));
    await transport.publish(outgoing({ routingKey: "rule.deleted", messageId: "deleted" }));

    await expect.poll(seen.ids, waiting).toEqual(["enabled", "created", "deleted"]);
  });

  test("enforcements, and nothing else, are carried on to attune.executions", async () => {
    await using transport = await open();
    const seen = recorder();
    await transport.subscribe(
      { exchange: "attune.executions", bindings: ["#"], prefetch: 10 },
      seen.onMessage,
    );

    await transport.publish(outgoing({ messageId: "event" }));
    await transport.publish(outgoing({ routingKey: "enforcement.created", messageId: "enforcement" }));
    await transport.publish(
      outgoing({ exchange: "attune.executions", routingKey: "execution.requested", messageId: "execution" }),
    );

    await expect.poll(seen.ids, waiting).toEqual(["enforcement", "execution"]);
  });

  test("five hundred messages published in one go arrive in their order", async () => {
    await using transport = await open();
    const seen = recorder();
    await transport.subscribe({ exchange: "attune.events", bindings: ["#"], prefetch: 100 }, seen.onMessage);
    const messages = Array.from({ length: 500 }, () => outgoing());

    await Promise.all(messages.map((message) => transport.publish(message)));

    await expect.poll(() => seen.messages.length, waiting).toBe(500);
    expect(seen.ids()).toEqual(messages.map(({ messageId }) => messageId));
  });

  test("a body larger than a frame arrives whole", async () => {
    await using transport = await open();
    const seen = recorder();
    await transport.subscribe({ exchange: "attune.events", bindings: ["#"], prefetch: 1 }, seen.onMessage);
    const body = Buffer.alloc(3 * 1024 * 1024, "0123456789");

    await transport.publish(outgoing({ body }));

    await expect.poll(() => seen.messages.length, waiting).toBe(1);
    expect(seen.messages[0]?.body.equals(body)).toBe(true);
  });

  test("no more than prefetch messages are under way at once", async () => {
    await using transport = await open();
    let underWay = 0;
    let most = 0;
    let finished = 0;
    const release: (() => void)[] = [];
    await transport.subscribe({ exchange: "attune.events", bindings: ["#"], prefetch: 3 }, async () => {
      underWay += 1;
      most = Math.max(most, underWay);
      await new Promise<void>((resolve) => release.push(resolve));
      underWay -= 1;
      finished += 1;
      return "done";
    });

    await Promise.all(Array.from({ length: 9 }, () => transport.publish(outgoing())));
    await expect.poll(() => release.length, waiting).toBe(3);
    await expect
      .poll(() => {
        for (const letGo of release.splice(0)) letGo();
        return finished;
      }, waiting)
      .toBe(9);

    expect(most).toBe(3);
  });

  test("a requeued message comes again, marked as redelivered", async () => {
    await using transport = await open();
    const seen = recorder(({ isRedelivered }) => (isRedelivered ? "done" : "requeue"));
    await transport.subscribe({ exchange: "attune.events", bindings: ["#"], prefetch: 1 }, seen.onMessage);

    await transport.publish(outgoing({ messageId: "again" }));

    await expect
      .poll(() => seen.messages.map(({ isRedelivered }) => isRedelivered), waiting)
      .toEqual([false, true]);
    expect(seen.ids()).toEqual(["again", "again"]);
  });

  test("a requeued message comes again before those behind it", async () => {
    await using transport = await open();
    const seen = recorder(({ messageId, isRedelivered }) =>
      messageId === "again" && !isRedelivered ? "requeue" : "done",
    );
    const shared = { exchange: "attune.events", bindings: ["#"], queue: "ordered", prefetch: 1 };
    const first = await transport.subscribe(shared, recorder().onMessage);
    await first[Symbol.asyncDispose]();
    for (const messageId of ["again", "behind"]) await transport.publish(outgoing({ messageId }));

    await transport.subscribe(shared, seen.onMessage);

    await expect.poll(seen.ids, waiting).toEqual(["again", "again", "behind"]);
  });

  test("a dead-lettered message arrives at attune.dlx and in the dead-letter queue", async () => {
    await using transport = await open();
    const letters = recorder();
    const seen = recorder(() => "dead-letter");
    await transport.subscribe({ exchange: "attune.dlx", bindings: ["#"], prefetch: 1 }, letters.onMessage);
    await transport.subscribe({ exchange: "attune.events", bindings: ["#"], prefetch: 1 }, seen.onMessage);

    await transport.publish(outgoing({ messageId: "dead" }));

    await expect.poll(letters.ids, waiting).toEqual(["dead"]);
    expect(letters.messages[0]?.routingKey).toBe("event.created");
    const collected = recorder();
    await transport.subscribe(
      { exchange: "attune.dlx", bindings: ["#"], queue: "attune.dead-letters", prefetch: 1 },
      collected.onMessage,
    );
    await expect.poll(collected.ids, waiting).toEqual(["dead"]);
  });

  test("a message whose handler throws is tried once more, then dead-lettered", async () => {
    await using transport = await open();
    const letters = recorder();
    let attempts = 0;
    await transport.subscribe({ exchange: "attune.dlx", bindings: ["#"], prefetch: 1 }, letters.onMessage);
    await transport.subscribe({ exchange: "attune.events", bindings: ["#"], prefetch: 1 }, async () => {
      attempts += 1;
      throw new Error("the handler is broken");
    });

    await transport.publish(outgoing({ messageId: "poison" }));

    await expect.poll(letters.ids, waiting).toEqual(["poison"]);
    expect(attempts).toBe(2);
  });

  test("a named queue keeps its messages while nobody consumes it", async () => {
    await using transport = await open();
    const shared = { exchange: "attune.events", bindings: ["#"], queue: "sensor.test", prefetch: 10 };
    const first = await transport.subscribe(shared, recorder().onMessage);
    await first[Symbol.asyncDispose]();

    await transport.publish(outgoing({ messageId: "kept" }));
    const seen = recorder();
    await transport.subscribe(shared, seen.onMessage);

    await expect.poll(seen.ids, waiting).toEqual(["kept"]);
  });

  test("two consumers of one named queue share its messages", async () => {
    await using transport = await open();
    const shared = { exchange: "attune.events", bindings: ["#"], queue: "shared", prefetch: 1 };
    const left = recorder();
    const right = recorder();
    await transport.subscribe(shared, left.onMessage);
    await transport.subscribe(shared, right.onMessage);
    const messages = Array.from({ length: 50 }, () => outgoing());

    await Promise.all(messages.map((message) => transport.publish(message)));

    await expect.poll(() => left.messages.length + right.messages.length, waiting).toBe(50);
    expect(new Set([...left.ids(), ...right.ids()]).size).toBe(50);
    expect(left.messages.length).toBeGreaterThan(0);
    expect(right.messages.length).toBeGreaterThan(0);
  });

  test("a disposed subscription delivers nothing more, and its handlers have finished", async () => {
    await using transport = await open();
    const release = Promise.withResolvers<void>();
    let started = 0;
    let finished = 0;
    const subscription = await transport.subscribe(
      { exchange: "attune.events", bindings: ["#"], prefetch: 1 },
      async () => {
        started += 1;
        await release.promise;
        finished += 1;
        return "done";
      },
    );
    await transport.publish(outgoing());
    await transport.publish(outgoing());
    await expect.poll(() => started, waiting).toBe(1);

    const disposing = subscription[Symbol.asyncDispose]();
    release.resolve();
    await disposing;

    expect([started, finished]).toEqual([1, 1]);
  });

  test("a message to an exchange that does not exist is refused, and others pass", async () => {
    await using transport = await open();
    const seen = recorder();
    await transport.subscribe({ exchange: "attune.events", bindings: ["#"], prefetch: 10 }, seen.onMessage);
    const good = Array.from({ length: 20 }, () => outgoing());

    const sending = good.slice(0, 10).map((message) => transport.publish(message));
    const refused = transport.publish(outgoing({ exchange: "nowhere" })).catch(String);
    sending.push(...good.slice(10).map((message) => transport.publish(message)));
    await Promise.all(sending);

    expect(await refused).toMatch(/no exchange 'nowhere'/);
    await expect.poll(() => new Set(seen.ids()).size, waiting).toBe(20);
  });

  test("a subscription to an exchange that does not exist is refused, and others go on", async () => {
    await using transport = await open();
    const seen = recorder();
    await transport.subscribe({ exchange: "attune.events", bindings: ["#"], prefetch: 1 }, seen.onMessage);

    const refused = transport.subscribe(
      { exchange: "nowhere", bindings: ["#"], prefetch: 1 },
      recorder().onMessage,
    );

    await expect(refused).rejects.toThrow(/nowhere/);
    await transport.publish(outgoing({ messageId: "after" }));
    await expect.poll(seen.ids, waiting).toEqual(["after"]);
  });

  test("closing waits for what was published, then refuses; twice is as good as once", async () => {
    const transport = await open();
    await transport.connected(10_000);
    const sending = Array.from({ length: 100 }, () => transport.publish(outgoing()));

    await Promise.all([transport[Symbol.asyncDispose](), transport[Symbol.asyncDispose]()]);

    await Promise.all(sending);
    await expect(transport.publish(outgoing())).rejects.toThrow(/closed/);
    const late = transport.subscribe(
      { exchange: "attune.events", bindings: ["#"], prefetch: 1 },
      recorder().onMessage,
    );
    await expect(late).rejects.toThrow(/closed/);
  });

  test("a connected transport is up and knows when that was seen", async () => {
    await using transport = await open();
    await transport.connected(10_000);

    const { state, checkedAtMs } = transport.health();

    expect(state).toBe("up");
    expect(performance.now() - checkedAtMs).toBeLessThan(10_000);
  });
}
