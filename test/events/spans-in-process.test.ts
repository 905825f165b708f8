/** The spans of events whose messages are confirmed as soon as they are handed over, as without a broker. */
import { expect, test } from "vitest";
import { openInProcess } from "../../src/messaging/in-process/in-process.ts";
import { storedFacts } from "../../src/service/trace-parts.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { EventSpans } from "../../src/telemetry/otlp/event-spans.ts";
import type { Span } from "../../src/telemetry/otlp/span.ts";
import { systemClock } from "../../src/time/clock.ts";
import { insertRule } from "../support/platform-rows.ts";
import { preparePublishing } from "../support/publishing.ts";
import { openRig } from "./pipeline-rig.ts";

test.each([
  { receiver: "nobody", isHeard: false },
  { receiver: "a consumer in this process", isHeard: true },
])("every event is a trace of four spans when $receiver receives its messages", async ({ isHeard }) => {
  await using rig = await openRig();
  const { database, instance, installationId } = rig;
  await insertRule(database, { ref: "demo.rule", triggerRef: "demo.tick" });
  await using transport = await openInProcess({ logger: silentLogger });
  await using _ = isHeard
    ? await transport.subscribe(
        { exchange: "attune.events", bindings: ["#"], prefetch: 10 },
        async () => "done",
      )
    : undefined;
  const exported: Span[] = [];
  let dropped = 0;
  const spans = new EventSpans({
    exporter: { add: (more) => exported.push(...more) },
    installationId,
    sampleRatio: 1,
    metrics: { spansDropped: (count) => (dropped += count) },
    clock: systemClock,
    random: () => 0,
  });
  await using publishing = preparePublishing({
    database,
    transport,
    instance,
    installationId,
    onConfirmed: (messageId) => spans.confirmed(messageId),
  });
  await publishing.start();
  const { publisher } = publishing;
  await using running = await rig.start({
    outlet: {
      isHeard: () => publisher.isHeard(),
      send: publisher.send.bind(publisher),
      drop: publisher.drop.bind(publisher),
      leave: publisher.leave.bind(publisher),
    },
    onCommitted: (...committed) => spans.stored(storedFacts(...committed)),
  });

  await Promise.all(Array.from({ length: 10 }, () => running.pipeline.accept(rig.tick())));
  await expect.poll(() => rig.countOf("outbox")).toBe(0);

  expect(dropped).toBe(0);
  expect(exported.map(({ name }) => name)).toEqual(
    Array.from({ length: 10 }, () => ["event", "batch", "commit", "confirm"]).flat(),
  );
});
