/** Which events wait for the confirms of their messages, and which are dropped. */
import { expect, test } from "vitest";
import { messageId } from "../../../src/model/identifiers.ts";
import { EventSpans } from "../../../src/telemetry/otlp/event-spans.ts";
import { fakeClock } from "../../support/fake-clock.ts";

const installationId = "0f8fad5b-d9cb-469f-a165-70867728950e";
const waitingMax = 4_096;

function openSpans() {
  const clock = fakeClock();
  const counts = { dropped: 0 };
  const exported: string[] = [];
  const spans = new EventSpans({
    exporter: {
      add: ([event]) => void exported.push(String(event?.traceId)),
    },
    installationId,
    sampleRatio: 1,
    metrics: { spansDropped: (count) => (counts.dropped += count) },
    clock,
    random: () => 0.5,
  });
  return {
    clock,
    counts,
    /** The trace ids of exported events. */
    exported,
    store: (id: number, enforcementIds: readonly string[] = []): void => {
      spans.stored({
        eventId: String(id),
        enforcementIds,
        triggerRef: "demo.tick",
        sensorRef: null,
        trace: undefined,
        acceptedAtMs: 0,
        attemptedAtMs: 0,
      });
    },
    confirm: (kind: "event" | "enforcement", id: number | string): void => {
      spans.confirmed(messageId(installationId, kind, String(id)));
    },
  };
}

const traceIdOf = (id: number): string => messageId(installationId, "event", String(id)).replaceAll("-", "");

test("events whose messages are never confirmed take bounded memory, and are counted", () => {
  const { counts, exported, store } = openSpans();

  for (let id = 1; id <= 5_000; id += 1) store(id);

  expect(counts.dropped).toBe(4 * (5_000 - waitingMax));
  expect(exported).toEqual([]);
});

// Goal: tracing goes on after any number of messages that another process published.
// Method: as many as can wait are never confirmed; a minute later, others are.
test("events that wait in vain make room for later ones, and are counted", async () => {
  const { clock, counts, exported, store, confirm } = openSpans();
  for (let id = 1; id <= waitingMax; id += 1) store(id);
  await clock.advance(60_000);

  for (const id of [5_001, 5_002]) {
    store(id);
    confirm("event", id);
  }

  expect(exported).toEqual([traceIdOf(5_001), traceIdOf(5_002)]);
  // The second needs no room: the first has left its own.
  expect(counts.dropped).toBe(4);
});

test("an event makes room with all its messages, and is exported no more", async () => {
  const { clock, counts, exported, store, confirm } = openSpans();
  store(1, ["1", "2"]);
  confirm("event", 1);
  for (let id = 2; id <= waitingMax - 1; id += 1) store(id);
  await clock.advance(60_000);

  store(5_001);
  store(5_002);
  for (const id of ["1", "2"]) confirm("enforcement", id);
  for (const id of [5_001, 5_002]) confirm("event", id);

  expect(exported).toEqual([traceIdOf(5_001), traceIdOf(5_002)]);
  expect(counts.dropped).toBe(4);
});

// Goal: more events than can wait do not push each other out, so that some are exported at any load.
// Method: confirms come in order, each after twice as many events as can wait have been stored.
test("under a load that leaves no room, the events that wait are exported", async () => {
  const { clock, exported, store, confirm } = openSpans();
  for (let id = 1; id <= 2 * waitingMax; id += 1) store(id);
  await clock.advance(5_000);
  for (let id = 2 * waitingMax + 1; id <= 4 * waitingMax; id += 1) {
    store(id);
    confirm("event", id - 2 * waitingMax);
  }

  expect(exported.slice(0, waitingMax)).toEqual(
    Array.from({ length: waitingMax }, (_, index) => traceIdOf(index + 1)),
  );
});

test("an event with more messages than can wait is dropped, and pushes out no other", async () => {
  const { clock, counts, exported, store, confirm } = openSpans();
  store(1);
  await clock.advance(60_000);

  store(
    2,
    Array.from({ length: waitingMax }, (_, index) => String(index + 1)),
  );
  confirm("event", 1);

  expect(exported).toEqual([traceIdOf(1)]);
  expect(counts.dropped).toBe(4);
});
