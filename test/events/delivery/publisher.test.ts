/** How long those wait who read messages back; what is sent, and in which order, is in test/events/outbox.test.ts. */
import { expect, test } from "vitest";
import type { Database } from "../../../src/database/database.ts";
import { outgoing } from "../../messaging/conformance.ts";
import { fakeClock } from "../../support/fake-clock.ts";
import { heapUsed } from "../../support/heap-used.ts";
import { preparePublishing, scriptedTransport } from "../../support/publishing.ts";

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- nothing here asks the database
const database = {} as Database;
const common = {
  database,
  instance: "i",
  installationId: "0f8fad5b-d9cb-469f-a165-70867728950e",
  inFlightMax: 2,
};

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
  const { publisher } = preparePublishing({ ...common, transport: scriptedTransport(), clock });
  publisher.send([outgoing({ messageId: "1" }), outgoing({ messageId: "2" })], []);
  const before = heapUsed();

  const hasRoom = await publisher.room(stop.signal);

  expect(hasRoom).toBe(false);
  expect(count).toBe(waits);
  expect((heapUsed() - before) / waits).toBeLessThan(50);
});
