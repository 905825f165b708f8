import fc from "fast-check";
import { expect, test } from "vitest";
import { MessageRefusedError } from "../../../src/messaging/message-transport.ts";
import { PublishWindow, type WindowLimits } from "../../../src/messaging/rabbitmq/publish-window.ts";
import { outgoing } from "../conformance.ts";

const limits: WindowLimits = { countMax: 4, bytesMax: 1_000_000 };

/** A broker of arrays: what arrived on each channel, in order, and what of it was confirmed. */
function fakeBroker(window: PublishWindow) {
  const channels: string[][] = [];
  const confirmed = new Set<string>();
  let unanswered: number[] = [];
  let isConnected = false;
  return {
    channels,
    confirmed,
    taken: () => channels.flat(),
    connect() {
      if (isConnected) return;
      const channel: string[] = [];
      channels.push(channel);
      unanswered = [];
      isConnected = true;
      window.open(({ messageId }) => {
        unanswered.push(channel.push(messageId));
        return "sent";
      });
    },
    lose(refusal?: MessageRefusedError) {
      isConnected = false;
      window.lose(refusal);
    },
    /** Confirms one of the messages in flight, the `choice`-th counted round; with `isMultiple` all before it too. */
    confirm(choice: number, isMultiple: boolean) {
      const tag = unanswered[choice % Math.max(unanswered.length, 1)];
      if (!isConnected || tag === undefined) return;
      const answered = unanswered.filter((other) => other === tag || (isMultiple && other < tag));
      unanswered = unanswered.filter((other) => !answered.includes(other));
      for (const other of answered) confirmed.add(channels.at(-1)?.[other - 1] ?? "");
      window.confirm(tag, isMultiple);
    },
  };
}

function publishAll(window: PublishWindow, ids: readonly string[]): string[] {
  const settled: string[] = [];
  for (const messageId of ids) {
    window.publish(outgoing({ messageId })).then(
      () => settled.push(messageId),
      (error: unknown) => settled.push(`${messageId}: ${String(error)}`),
    );
  }
  return settled;
}

async function turn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

test("no more than the window is in flight, and it is filled again when half of it is free", () => {
  const window = new PublishWindow(limits, () => 0);
  const broker = fakeBroker(window);
  broker.connect();

  publishAll(window, ["1", "2", "3", "4", "5", "6", "7"]);
  const atFirst = [...broker.taken()];
  window.confirm(2, false);
  const afterOne = [...broker.taken()];
  window.confirm(1, false);

  expect(atFirst).toEqual(["1", "2", "3", "4"]);
  expect(afterOne).toEqual(atFirst);
  expect(broker.taken()).toEqual(["1", "2", "3", "4", "5", "6"]);
});

test("large bodies fill the window too, but one always goes", () => {
  const window = new PublishWindow({ countMax: 100, bytesMax: 30 }, () => 0);
  const broker = fakeBroker(window);
  broker.connect();

  for (const [messageId, bytes] of Object.entries({ 1: 100, 2: 20, 3: 20, 4: 20 })) {
    void window.publish(outgoing({ messageId, body: Buffer.alloc(bytes) }));
  }
  const atFirst = broker.taken();
  window.confirm(1, false);
  const then = broker.taken();
  window.confirm(2, false);
  const half = broker.taken();
  window.confirm(3, false);

  expect(atFirst).toEqual(["1"]);
  expect(then).toEqual(["1", "2", "3"]);
  expect(half).toEqual(then);
  expect(broker.taken()).toEqual(["1", "2", "3", "4"]);
});

test("tags stay right over thousands of messages, and over the channels they come on", async () => {
  const window = new PublishWindow({ countMax: 100, bytesMax: 1_000_000 }, () => 0);
  const broker = fakeBroker(window);
  broker.connect();
  const ids = Array.from({ length: 20_000 }, (_, index) => String(index));

  const settled = publishAll(window, ids);
  while (window.unconfirmed > 0) {
    broker.confirm(49, true);
    if (window.unconfirmed === 5_000) {
      broker.lose();
      broker.connect();
    }
  }
  await turn();

  expect(broker.channels.length).toBe(2);
  expect(settled).toEqual(ids);
});

test("once the suspects have passed, the window is wide again", () => {
  const window = new PublishWindow(limits, () => 0);
  const broker = fakeBroker(window);
  broker.connect();
  publishAll(window, ["1", "2", "3", "4", "5", "6", "7"]);

  broker.lose(new MessageRefusedError("refused", { isFinal: true }));
  broker.connect();
  const aloneAtFirst = [...(broker.channels[1] ?? [])];
  for (let suspect = 1; suspect <= 4; suspect += 1) window.confirm(suspect, false);

  expect(aloneAtFirst).toEqual(["1"]);
  expect(broker.channels[1]).toEqual(["1", "2", "3", "4", "5", "6", "7"]);
  expect(window.inFlight).toBe(3);
});

test("a refused message is rejected and not sent again, whatever becomes of those beside it", async () => {
  const window = new PublishWindow(limits, () => 0);
  const broker = fakeBroker(window);
  broker.connect();
  const settled = publishAll(window, ["1", "2", "3"]);

  window.refuse(2, true);
  broker.lose();
  broker.connect();
  window.confirm(1, false);
  await turn();

  expect(broker.channels).toEqual([["1", "2", "3"], ["3"]]);
  expect(settled).toEqual([
    "1: MessageRefusedError: a queue refuses it",
    "2: MessageRefusedError: a queue refuses it",
    "3",
  ]);
});

test("a confirmed message that was returned before reached nobody", async () => {
  const window = new PublishWindow(limits, () => 0);
  fakeBroker(window).connect();
  const deliveries = ["1", "2", "1"].map((messageId) => window.publish(outgoing({ messageId })));

  window.markReturned("1");
  window.confirm(1, false);
  window.confirm(3, true);

  expect(await Promise.all(deliveries)).toEqual(["unroutable", "routed", "routed"]);
});

test("what a lost channel returned says nothing of the repetition on the next", async () => {
  const window = new PublishWindow(limits, () => 0);
  const broker = fakeBroker(window);
  broker.connect();
  const delivery = window.publish(outgoing({ messageId: "1" }));
  window.markReturned("1");

  broker.lose();
  broker.connect();
  window.confirm(1, false);

  expect(await delivery).toBe("routed");
});

test("a broker that accepts nothing is sent nothing more, on whatever channel, until it does", () => {
  const window = new PublishWindow(limits, () => 0);
  const broker = fakeBroker(window);
  broker.connect();
  publishAll(window, ["1"]);

  window.pause();
  publishAll(window, ["2"]);
  const whileBlocked = [...broker.taken()];
  window.resume();
  const resumed = [...broker.taken()];
  window.pause();
  broker.lose();
  broker.connect();
  publishAll(window, ["3"]);
  const onNewChannel = [...(broker.channels[1] ?? [])];
  window.resume();

  expect([whileBlocked, resumed, onNewChannel]).toEqual([["1"], ["1", "2"], []]);
  expect(broker.channels[1]).toEqual(["1", "2", "3"]);
});

test("the broker's silence is measured from the first message it has not answered", () => {
  let nowMs = 0;
  const window = new PublishWindow(limits, () => nowMs);
  fakeBroker(window).connect();
  nowMs = 1_000;
  const idleMs = window.unansweredMs;
  publishAll(window, ["1", "2"]);
  nowMs = 4_000;
  const waitingMs = window.unansweredMs;
  window.confirm(1, false);
  nowMs = 5_000;

  expect([idleMs, waitingMs, window.unansweredMs]).toEqual([0, 3_000, 1_000]);
});

test("a message that cannot be encoded is rejected and takes no delivery tag", async () => {
  const window = new PublishWindow(limits, () => 0);
  const sent: string[] = [];
  window.open(({ messageId }) => {
    if (messageId === "bad") return new RangeError("a routing key has at most 255 bytes");
    sent.push(messageId);
    return "sent";
  });

  const settled = publishAll(window, ["1", "bad", "2"]);
  window.confirm(2, true);
  await turn();

  expect(sent).toEqual(["1", "2"]);
  expect(settled).toEqual(["bad: MessageRefusedError: a routing key has at most 255 bytes", "1", "2"]);
});

test.each([true, false])(
  "an answer to a tag that was never given out settles nothing (multiple: %s)",
  async (isMultiple) => {
    const window = new PublishWindow({ ...limits, countMax: 1 }, () => 0);
    const broker = fakeBroker(window);
    broker.connect();
    const settled = publishAll(window, ["one", "two", "three"]);

    window.confirm(3, isMultiple);
    await turn();

    expect(settled).toEqual([]);
    expect(broker.taken()).toEqual(["one"]);
  },
);

test("ending rejects what is unconfirmed, and what comes after", async () => {
  const window = new PublishWindow(limits, () => 0);
  const broker = fakeBroker(window);
  broker.connect();
  const settled = publishAll(window, ["1", "2", "3", "4", "5"]);
  window.confirm(1, false);

  window.end(new Error("closed"));
  const late = publishAll(window, ["6"]);
  await turn();

  expect(settled).toEqual([
    "1",
    "2: Error: closed",
    "3: Error: closed",
    "4: Error: closed",
    "5: Error: closed",
  ]);
  expect(late).toEqual(["6: Error: closed"]);
});

// Goal: whatever the broker and the network do, no message is lost or settled wrongly, and the order
// of first arrivals, and of arrivals on each channel, is the order of publishing.
// Method: let fast-check choose when messages are published, confirmed singly or in groups, and when
// the channel is lost; then let everything through.
test("every message is confirmed in the end, first arrivals are in order, and repeats are repeats", async () => {
  type Step = "publish" | "confirm-one" | "confirm-many" | "lose" | "connect";
  const steps = fc.array(
    fc.tuple(
      fc.constantFrom<Step>(
        "publish",
        "publish",
        "publish",
        "confirm-one",
        "confirm-many",
        "lose",
        "connect",
      ),
      fc.nat(10),
    ),
    { maxLength: 120 },
  );

  await fc.assert(
    fc.asyncProperty(steps, async (chosen) => {
      const window = new PublishWindow(limits, () => 0);
      const broker = fakeBroker(window);
      const published: string[] = [];
      const settled: string[] = [];
      for (const [step, choice] of chosen) {
        if (step === "publish") {
          const messageId = String(published.length);
          published.push(messageId);
          void window.publish(outgoing({ messageId })).then(() => settled.push(messageId));
        } else if (step === "lose") {
          broker.lose();
        } else if (step === "connect") {
          broker.connect();
        } else {
          broker.confirm(choice, step === "confirm-many");
        }
      }
      await turn();
      expect(new Set(settled)).toEqual(broker.confirmed);

      broker.connect();
      while (window.unconfirmed > 0) broker.confirm(0, true);
      await turn();

      expect(settled.toSorted()).toEqual(published.toSorted());
      expect([...new Set(broker.taken())]).toEqual(published);
      for (const channel of broker.channels) {
        expect(channel).toEqual(channel.toSorted((left, right) => Number(left) - Number(right)));
      }
    }),
  );
});

// Goal: a message that makes the broker close the channel is found and rejected; all others pass.
// Method: a broker that confirms what it can take, and closes the channel at a poisonous message
// while others are in flight behind it.
test("poisonous messages are rejected and no other", async () => {
  const cases = fc.record({
    count: fc.integer({ min: 1, max: 30 }),
    poison: fc.uniqueArray(fc.nat(29), { maxLength: 4 }),
  });

  await fc.assert(
    fc.asyncProperty(cases, async ({ count, poison }) => {
      const window = new PublishWindow(limits, () => 0);
      const ids = Array.from({ length: count }, (_, index) => String(index));
      const poisonous = ids.filter((_, index) => poison.includes(index));
      const settled = publishAll(window, ids);
      const broker = fakeBroker(window);
      while (window.unconfirmed > 0) {
        broker.connect();
        const channel = broker.channels.at(-1) ?? [];
        let next = 0;
        for (; next < channel.length && !poisonous.includes(channel[next] ?? ""); next += 1)
          broker.confirm(0, false);
        broker.lose(
          next < channel.length ? new MessageRefusedError("refused", { isFinal: true }) : undefined,
        );
      }
      await turn();

      expect(settled.filter((entry) => entry.endsWith("Error: refused"))).toEqual(
        poisonous.map((messageId) => `${messageId}: MessageRefusedError: refused`),
      );
      expect(settled.length).toBe(count);
    }),
  );
});
