import { createServer } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { EventSpans } from "../../../src/telemetry/otlp/event-spans.ts";
import { queuedMax, SpanExporter } from "../../../src/telemetry/otlp/span-exporter.ts";
import type { Span } from "../../../src/telemetry/otlp/span.ts";
import { silentLogger } from "../../../src/telemetry/logger.ts";
import { systemClock } from "../../../src/time/clock.ts";
import { fakeClock } from "../../support/fake-clock.ts";

const span: Span = {
  traceId: "1".repeat(32),
  spanId: "2".repeat(16),
  name: "event",
  kind: 1,
  startTimeUnixNano: "1000",
  endTimeUnixNano: "2000",
  attributes: [],
};

/** A receiver that answers with these statuses, the last one for good. */
async function receiver(statuses: readonly number[], body = "{}") {
  let requests = 0;
  const paths: string[] = [];
  const server = createServer((request, response) => {
    request.resume().once("end", () => {
      paths.push(request.url ?? "");
      response.writeHead(statuses[Math.min(requests, statuses.length - 1)] ?? 200).end(body);
      requests += 1;
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    paths,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
    },
  };
}

function exporting(endpoint: string, clock = systemClock) {
  const counts = { exported: 0, dropped: 0 };
  const exporter = new SpanExporter({
    endpoint,
    resource: { agentVersion: "1", workerName: "w", instance: "i" },
    metrics: {
      spansExported: (count) => (counts.exported += count),
      spansDropped: (count) => (counts.dropped += count),
    },
    logger: silentLogger,
    clock,
  });
  const stop = new AbortController();
  const run = exporter.run(stop.signal);
  return {
    exporter,
    counts,
    async [Symbol.asyncDispose]() {
      stop.abort();
      await run;
    },
  };
}

test("spans are exported in few requests, and counted", async () => {
  await using to = await receiver([200]);
  await using own = exporting(to.url);
  for (let n = 0; n < 2_000; n += 1) own.exporter.add([span]);
  await expect.poll(() => own.counts).toEqual({ exported: 2_000, dropped: 0 });
  expect(to.paths).toEqual(["/v1/traces", "/v1/traces"]);
});

test("what finds no room while nobody answers is dropped and counted, and adding waits for nothing", async () => {
  const own = exporting("http://127.0.0.1:1");
  for (let n = 0; n < queuedMax + 7; n += 1) own.exporter.add([span]);
  expect(own.counts.dropped).toBe(7);
  await own[Symbol.asyncDispose]();
  expect(own.counts).toEqual({ exported: 0, dropped: queuedMax + 7 });
});

test("a receiver that is overloaded gets the same spans again; one that refuses them does not", async () => {
  const clock = fakeClock();
  await using busy = await receiver([503, 429, 200]);
  await using patient = exporting(busy.url, clock);
  patient.exporter.add([span]);
  await expect
    .poll(async () => {
      await clock.advance(1_000);
      return patient.counts;
    })
    .toEqual({ exported: 1, dropped: 0 });
  expect(busy.paths.length).toBe(3);

  await using strict = await receiver([400]);
  await using refused = exporting(`${strict.url}/v1/traces`);
  refused.exporter.add([span, span]);
  await expect.poll(() => refused.counts).toEqual({ exported: 0, dropped: 2 });
  expect(strict.paths).toEqual(["/v1/traces"]);
});

test("spans that the receiver rejects from a request are counted as dropped", async () => {
  await using to = await receiver([200], '{"partialSuccess":{"rejectedSpans":"2"}}');
  await using own = exporting(to.url);
  own.exporter.add([span, span, span]);
  await expect.poll(() => own.counts).toEqual({ exported: 1, dropped: 2 });
});

test("what is queued at the stop is exported", async () => {
  await using to = await receiver([200]);
  const own = exporting(to.url);
  own.exporter.add([span]);
  await own[Symbol.asyncDispose]();
  expect(own.counts).toEqual({ exported: 1, dropped: 0 });
});

test("events whose messages are never confirmed take bounded memory, and are counted", () => {
  let dropped = 0;
  const added: Span[] = [];
  const spans = new EventSpans({
    exporter: { add: (more) => added.push(...more) },
    installationId: "0f8fad5b-d9cb-469f-a165-70867728950e",
    sampleRatio: 1,
    metrics: { spansDropped: (count) => (dropped += count) },
    clock: systemClock,
    random: () => 0.5,
  });
  for (let id = 1; id <= 5_000; id += 1)
    spans.stored({
      eventId: String(id),
      enforcementIds: [],
      triggerRef: "demo.tick",
      sensorRef: null,
      trace: undefined,
      acceptedAtMs: 0,
      attemptedAtMs: 0,
    });
  expect(dropped).toBe(4 * (5_000 - 4_096));
  expect(added).toEqual([]);
});
