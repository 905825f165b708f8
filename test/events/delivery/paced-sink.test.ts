import { expect, test } from "vitest";
import { pacedSink } from "../../../src/events/delivery/paced-sink.ts";
import type { EventSink, IncomingEvent } from "../../../src/model/sensors/incoming-event.ts";

const event: IncomingEvent = {
  triggerRef: "demo.tick",
  payload: {},
  source: null,
  triggerInstanceId: null,
  dedupKey: null,
  occurredAt: null,
  checkpoint: undefined,
};

test("an event is stored at once, and counts as under way until there is room", async () => {
  let storedCount = 0;
  const sink: EventSink = {
    accept: async () => ({ kind: "stored", eventId: `${(storedCount += 1)}` }),
    advance: async () => ({ kind: "stored" }),
  };
  const room = Promise.withResolvers<void>();
  const paced = pacedSink(sink, { ease: () => room.promise });
  let outcome: unknown;

  const accepting = paced.accept(event).then((settled) => (outcome = settled));
  await new Promise(setImmediate);
  expect([storedCount, outcome]).toEqual([1, undefined]);
  room.resolve();
  await accepting;

  expect(outcome).toEqual({ kind: "stored", eventId: "1" });
});
