/**
 * How much is in flight, and how long those wait who read messages back; what is sent, and in which order, is in
 * test/events/outbox.test.ts.
 */
import { expect, test } from "vitest";
import type { Database, Query } from "../../../src/database/database.ts";
import type { OutgoingMessage } from "../../../src/messaging/message-transport.ts";
import { messageId } from "../../../src/model/identifiers.ts";
import { outgoing } from "../../messaging/conformance.ts";
import { fakeClock } from "../../support/fake-clock.ts";
import { heapUsed } from "../../support/heap-used.ts";
import { preparePublishing, scriptedTransport } from "../../support/publishing.ts";

const installationId = "0f8fad5b-d9cb-469f-a165-70867728950e";
const common = { instance: "i", installationId, inFlightMax: 2 };
const bytesMax = 16 * 1024 * 1024;

/** A publisher of two messages at once, and the statements that it asks for. */
function startPublisher() {
  const clock = fakeClock();
  const transport = scriptedTransport();
  const statements: (string | undefined)[] = [];
  const query = async ({ name }: Query): Promise<{ rows: object[] }> => {
    statements.push(name);
    return { rows: [] };
  };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it is asked for rows, and nothing else
  const database = { query, relaxed: { query } } as unknown as Database;
  const { publisher } = preparePublishing({ ...common, database, transport, clock });
  return { publisher, transport, clock, statements };
}

function message(id: number, bytes = 1): OutgoingMessage {
  return outgoing({
    messageId: messageId(installationId, "event", String(id)),
    body: Buffer.alloc(bytes),
  });
}

type Started = ReturnType<typeof startPublisher>;

// Goal: a long outage, large payloads or a slow database fill no memory with messages that are read back.
test.each<{ what: string; fill: (started: Started) => void; empty: (started: Started) => void }>([
  {
    what: "messages",
    fill: ({ publisher }) => publisher.send([message(1), message(2)], []),
    empty: ({ transport }) => transport.confirmAll(),
  },
  {
    what: "bytes",
    fill: ({ publisher }) => publisher.send([message(1, bytesMax)], []),
    empty: ({ transport }) => transport.confirmAll(),
  },
  {
    what: "deletions",
    fill: ({ publisher }) => {
      for (let id = 0; id < 20_000; id += 1) publisher.rows.settle(String(id));
    },
    empty: ({ publisher }) => void publisher.rows.flush(),
  },
])("with too many $what under way there is no room for more, until there are fewer", async (limit) => {
  const started = startPublisher();
  limit.fill(started);
  let hasRoom: boolean | undefined;
  const waiting = started.publisher.room(new AbortController().signal).then((answer) => (hasRoom = answer));

  await started.clock.advance(60_000);
  const before = hasRoom;
  limit.empty(started);
  await started.clock.advance(1_000);
  await waiting;

  expect([before, hasRoom]).toEqual([undefined, true]);
});

test("a message of any size is sent from memory while nothing is in flight, and the next is left", () => {
  const { publisher, transport } = startPublisher();
  const [large, next] = [message(1, bytesMax + 1), message(2)];

  publisher.send([large], []);
  const wasBehind = publisher.isBehind;
  publisher.send([next], []);

  expect(wasBehind).toBe(false);
  expect(transport.ids()).toEqual([large.messageId]);
  expect(publisher.isBehind).toBe(true);
});

test("at the end confirmed messages are deleted before the others are released, so that no heir repeats them", async () => {
  const { publisher, transport, statements } = startPublisher();
  publisher.send([message(1)], []);
  transport.confirmAll();
  await new Promise(setImmediate);
  publisher.send([message(2)], []);

  await publisher.drain(AbortSignal.abort());

  expect(statements).toEqual(["forget_messages", "release_messages"]);
});

// Goal: however long the broker is connected and confirms nothing, the wait for room takes no more memory.
// Method: the clock lets each of very many short waits end at once.
test("a wait for a broker that confirms nothing takes constant memory", async () => {
  const waits = 20_000;
  let count = 0;
  const stop = new AbortController();
  const clock = {
    ...fakeClock(),
    sleep: async () => {
      count += 1;
      if (count === waits) stop.abort();
    },
  };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- nothing here asks the database
  const database = {} as Database;
  const { publisher } = preparePublishing({ ...common, database, transport: scriptedTransport(), clock });
  publisher.send([outgoing({ messageId: "1" }), outgoing({ messageId: "2" })], []);
  const before = heapUsed();

  const hasRoom = await publisher.room(stop.signal);

  expect(hasRoom).toBe(false);
  expect(count).toBe(waits);
  expect((heapUsed() - before) / waits).toBeLessThan(50);
});
