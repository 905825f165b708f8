import { createServer, type IncomingMessage } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { gunzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { queuedMax, SpanExporter } from "../../../src/telemetry/otlp/span-exporter.ts";
import type { Span } from "../../../src/telemetry/otlp/span.ts";
import { settlesWithin } from "../../../src/concurrency/settles-within.ts";
import { silentLogger, type Logger } from "../../../src/telemetry/logger.ts";
import { systemClock } from "../../../src/time/clock.ts";
import { fakeClock } from "../../support/fake-clock.ts";
import { recordingLogger } from "../../support/recording-logger.ts";

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

/** A receiver that keeps what it gets. */
async function bodyReceiver(statusOf: (request: IncomingMessage) => number) {
  const requests: { readonly encoding: string | undefined; readonly body: Buffer }[] = [];
  const server = createServer((request, response) => {
    const keep = async (): Promise<void> => {
      requests.push({ encoding: request.headers["content-encoding"], body: await buffer(request) });
      response.writeHead(statusOf(request)).end("{}");
    };
    void keep();
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
    },
  };
}

function spansIn(body: Buffer | undefined): unknown {
  return JSON.parse(String(body)).resourceSpans[0].scopeSpans[0].spans;
}

function exporting(endpoint: string, clock = systemClock, logger: Logger = silentLogger) {
  const counts = { exported: 0, dropped: 0 };
  const exporter = new SpanExporter({
    endpoint,
    resource: { agentVersion: "1", workerName: "w", instance: "i" },
    metrics: {
      spansExported: (count) => (counts.exported += count),
      spansDropped: (count) => (counts.dropped += count),
    },
    logger,
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

test("a request of more than a kilobyte is compressed, a smaller one is not", async () => {
  await using to = await bodyReceiver(() => 200);
  await using own = exporting(to.url);

  own.exporter.add([span]);
  await expect.poll(() => own.counts.exported).toBe(1);
  own.exporter.add(Array.from({ length: 1_024 }, () => span));
  await expect.poll(() => own.counts.exported).toBe(1_025);

  const [small, large] = to.requests;
  expect(small?.encoding).toBeUndefined();
  expect(spansIn(small?.body)).toEqual([span]);
  expect(large?.encoding).toBe("gzip");
  expect(large?.body.length).toBeLessThan(10_000);
  expect(spansIn(gunzipSync(large?.body ?? ""))).toHaveLength(1_024);
});

test("a receiver that does not know gzip gets the same spans uncompressed, and so all later ones", async () => {
  await using to = await bodyReceiver(({ headers }) => (headers["content-encoding"] === "gzip" ? 415 : 200));
  await using own = exporting(to.url);
  const spans = Array.from({ length: 100 }, () => span);

  own.exporter.add(spans);
  await expect.poll(() => own.counts).toEqual({ exported: 100, dropped: 0 });
  own.exporter.add(spans);
  await expect.poll(() => own.counts).toEqual({ exported: 200, dropped: 0 });

  expect(to.requests.map(({ encoding }) => encoding)).toEqual(["gzip", undefined, undefined]);
  expect(spansIn(to.requests[1]?.body)).toEqual(spans);
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

test("a receiver that does not answer delays the stop by a moment only", async () => {
  const { promise: asked, resolve } = Promise.withResolvers<void>();
  const silent = createServer(() => resolve()).listen(0, "127.0.0.1");
  await once(silent, "listening");
  const own = exporting(`http://127.0.0.1:${(silent.address() as AddressInfo).port}`);
  own.exporter.add([span]);
  await asked;

  // A request may take 10 s otherwise.
  expect(await settlesWithin(own[Symbol.asyncDispose](), 8_000)).toBe(true);

  expect(own.counts).toEqual({ exported: 0, dropped: 1 });
  silent.closeAllConnections();
  silent.close();
});

test("an answer without an end is read to a limit", async () => {
  const endless = createServer((request, response) => {
    const more = (): void => {
      while (!response.destroyed && response.write("x".repeat(65_536)));
    };
    response.on("drain", more);
    request.resume().once("end", more);
  }).listen(0, "127.0.0.1");
  await once(endless, "listening");
  await using own = exporting(`http://127.0.0.1:${(endless.address() as AddressInfo).port}`);
  own.exporter.add([span]);

  // Without a limit it would be read until the request is given up after 10 s, and count as not taken.
  await expect.poll(() => own.counts, { timeout: 20_000 }).toEqual({ exported: 1, dropped: 0 });
  endless.closeAllConnections();
  endless.close();
});

test("one log line names the receiver and repeats what it says", async () => {
  const { logger, lines } = recordingLogger();
  await using strict = await receiver([400], '{"code":3,"message":"no such tenant"}');
  await using refused = exporting(strict.url, systemClock, logger);
  refused.exporter.add([span]);
  await expect.poll(() => refused.counts.dropped).toBe(1);
  refused.exporter.add([span]);
  await expect.poll(() => refused.counts.dropped).toBe(2);
  await using some = await receiver([200], '{"partialSuccess":{"rejectedSpans":1,"errorMessage":"too old"}}');
  await using partly = exporting(some.url, systemClock, logger);
  partly.exporter.add([span, span]);
  await expect.poll(() => partly.counts).toEqual({ exported: 1, dropped: 1 });

  expect(lines.map(({ fields }) => fields)).toMatchObject([
    {
      reason: "the receiver answers 400",
      answer: expect.stringContaining("no such tenant"),
      receiver: `${strict.url}/v1/traces`,
    },
    { reason: "the receiver rejects 1 of 2", answer: "too old", receiver: `${some.url}/v1/traces` },
  ]);
});

test("what is queued at the stop is exported", async () => {
  await using to = await receiver([200]);
  const own = exporting(to.url);
  own.exporter.add([span]);
  await own[Symbol.asyncDispose]();
  expect(own.counts).toEqual({ exported: 1, dropped: 0 });
});
