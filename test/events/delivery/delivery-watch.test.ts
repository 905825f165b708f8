/** When the watch looks; what it logs is in test/events/outbox.test.ts. */
import { expect, test } from "vitest";
import { DeliveryRecord } from "../../../src/events/delivery/delivery-record.ts";
import { DeliveryWatch } from "../../../src/events/delivery/delivery-watch.ts";
import { silentLogger } from "../../../src/telemetry/logger.ts";
import { fakeClock } from "../../support/fake-clock.ts";
import { scriptedTransport } from "../../support/publishing.ts";
import { recordingLogger } from "../../support/recording-logger.ts";

test.each([
  { what: "all is well", unroutable: [], looks: 5 },
  { what: "nobody listens for changes of rules", unroutable: ["rule.created"], looks: 5 },
  { what: "nobody receives events", unroutable: ["event.created"], looks: 61 },
])("the watch looks as often as it should in a minute while $what", async ({ unroutable, looks }) => {
  const clock = fakeClock();
  let seen = 0;
  const watch = new DeliveryWatch({
    transport: scriptedTransport(),
    deliveries: {
      unroutable: () => {
        seen += 1;
        return new Map(unroutable.map((key) => [key, 1]));
      },
    },
    refused: { counts: () => new Map() },
    logger: silentLogger,
    clock,
  });
  const ending = new AbortController();
  const run = watch.run(ending.signal);
  await new Promise(setImmediate);

  await clock.advance(60_000);

  expect(seen).toBe(looks);
  ending.abort();
  await run;
});

test("a routing key without a queue is logged at once, and once", async () => {
  const clock = fakeClock();
  const { logger, lines } = recordingLogger();
  const deliveries = new DeliveryRecord({
    onUnroutable: () => watch.wake(),
    metrics: { messageUnroutable: () => {}, messageRefused: () => {} },
    clock,
  });
  const watch = new DeliveryWatch({
    transport: scriptedTransport(),
    deliveries,
    refused: { counts: () => new Map() },
    logger,
    clock,
  });
  const ending = new AbortController();
  const run = watch.run(ending.signal);
  await new Promise(setImmediate);

  for (let message = 0; message < 3; message += 1) deliveries.confirmed("event.created", "unroutable");
  await new Promise(setImmediate);

  expect(lines.map(({ message }) => message)).toEqual([
    "no queue is bound for event.created: nobody receives these messages",
  ]);
  ending.abort();
  await run;
});

test("a key counts as unroutable until its messages reach queues again and none has missed them for half a minute", async () => {
  const clock = fakeClock();
  const deliveries = new DeliveryRecord({
    metrics: { messageUnroutable: () => {}, messageRefused: () => {} },
    clock,
  });
  const count = (): number | undefined => deliveries.unroutable().get("event.created");
  deliveries.confirmed("event.created", "unroutable");
  deliveries.confirmed("event.created", "unroutable");
  await clock.advance(600_000);
  const silent = count();

  deliveries.confirmed("event.created", "routed");
  const routed = count();
  deliveries.confirmed("event.created", "unroutable");
  deliveries.confirmed("event.created", "routed");
  await clock.advance(30_000);
  const soonAfter = count();
  await clock.advance(1);

  expect([silent, routed, soonAfter, count()]).toEqual([2, undefined, 1, undefined]);
});
