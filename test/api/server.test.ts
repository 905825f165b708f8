import dns from "node:dns";
import { once } from "node:events";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { afterEach, expect, test, vi } from "vitest";
import { startApi, type ApiOptions } from "../../src/api/server.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import type { PartHealth } from "../../src/telemetry/part-health.ts";

const up: PartHealth = { state: "up", detail: "answers", checkedAtMs: 8_500 };
const down: PartHealth = { state: "down", detail: "connection refused", checkedAtMs: 4_000 };

type LookupRest = [
  options: dns.LookupOptions,
  done: (error: Error | null, addresses: string | dns.LookupAddress[]) => void,
];

function start(parts: Record<string, PartHealth>, changes: Partial<ApiOptions> = {}) {
  return startApi({
    section: "api",
    host: "127.0.0.1",
    port: 0,
    health: { version: "1.2.3", workerName: "w1", parts: () => parts, monotonicMs: () => 10_000 },
    metrics: { contentType: "text/plain; version=0.0.4", text: async () => "attune_x 1\n" },
    logger: silentLogger,
    ...changes,
  });
}

afterEach(() => vi.restoreAllMocks());

/** Sends the bytes as they are and reads until the server closes the connection. */
async function sendRaw(address: string, sent: string) {
  const { hostname, port } = new URL(address);
  const socket = connect(Number(port), hostname);
  socket.write(sent);
  const answer = await text(socket);
  const [, status] = /^HTTP\/1\.1 (\d+) /.exec(answer) ?? [];
  const body = JSON.parse(answer.slice(answer.indexOf("\r\n\r\n"))) as { error: string; code: string };
  return { status: Number(status), body };
}

async function get(
  url: string,
  init?: RequestInit,
): Promise<{ status: number; body: unknown; headers: Headers }> {
  const response = await fetch(url, init);
  return { status: response.status, body: await response.json(), headers: response.headers };
}

test("health shows every part with its state, why, and how old that knowledge is", async () => {
  await using api = await start({ database: up, broker: down });

  const answer = await get(`${api.address}/health`);
  expect((await get(`${api.address}/health/detailed`)).body).toEqual(answer.body);
  expect(answer).toMatchObject({
    status: 200,
    body: {
      status: "degraded",
      version: "1.2.3",
      worker: "w1",
      parts: {
        database: { state: "up", detail: "answers", age_seconds: 1.5 },
        broker: { state: "down", detail: "connection refused", age_seconds: 6 },
      },
    },
  });
});

test("readiness follows the parts in both directions, and liveness does not", async () => {
  const parts: Record<string, PartHealth> = { database: up, broker: up };
  await using api = await start(parts);
  expect((await get(`${api.address}/health/ready`)).status).toBe(200);

  for (const state of ["down", "starting"] as const) {
    parts["broker"] = { ...down, state };
    expect(await get(`${api.address}/health/ready`)).toMatchObject({
      status: 503,
      body: { status: "not ready" },
    });
    expect(await get(`${api.address}/health/live`)).toMatchObject({ status: 200, body: { status: "ok" } });
  }

  parts["broker"] = up;
  expect((await get(`${api.address}/health/ready`)).status).toBe(200);
});

test("metrics are text of the type that Prometheus expects", async () => {
  await using api = await start({});

  const response = await fetch(`${api.address}/metrics`);

  expect(response.headers.get("content-type")).toContain("text/plain; version=0.0.4");
  expect(await response.text()).toBe("attune_x 1\n");
});

test("all failures have the same shape: an unknown path, a wrong method, a broken answer", async () => {
  const broken = { contentType: "text/plain", text: () => Promise.reject(new Error("secret cause")) };
  await using api = await start({}, { metrics: broken });

  expect(await get(`${api.address}/nothing?x=1`)).toMatchObject({
    status: 404,
    body: { error: "There is nothing at /nothing.", code: "NOT_FOUND" },
  });
  const wrongMethod = await get(`${api.address}/health`, { method: "DELETE" });
  expect(wrongMethod).toMatchObject({ status: 405, body: { code: "METHOD_NOT_ALLOWED" } });
  expect(wrongMethod.headers.get("allow")).toContain("GET");
  const failed = await get(`${api.address}/metrics`);
  expect(failed).toMatchObject({ status: 500, body: { code: "INTERNAL_ERROR" } });
  expect(JSON.stringify(failed.body)).not.toContain("secret cause");
});

test("a request that the router cannot take has the same shape", async () => {
  await using api = await start({});

  expect(await get(`${api.address}/%zz`)).toMatchObject({
    status: 400,
    body: { error: expect.stringContaining("/%zz") as unknown, code: "BAD_REQUEST" },
  });
  expect(await get(`${api.address}/${"x".repeat(2_000)}`)).toMatchObject({
    status: 404,
    body: { code: "NOT_FOUND" },
  });
});

test.each([
  {
    what: "a request that is no HTTP",
    sent: "NONSENSE\r\n\r\n",
    answered: { status: 400, code: "BAD_REQUEST" },
  },
  {
    what: "headers beyond the limit",
    sent: `GET /health HTTP/1.1\r\nhost: a\r\nx: ${"y".repeat(20_000)}\r\n\r\n`,
    answered: { status: 431, code: "HEADERS_TOO_LARGE" },
  },
  {
    what: "an expectation that cannot be met",
    sent: "GET /health HTTP/1.1\r\nhost: a\r\nexpect: tea\r\n\r\n",
    answered: { status: 417, code: "EXPECTATION_FAILED" },
  },
  {
    what: "a large body for an unknown path",
    sent: "DELETE /nothing HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 9999999\r\n\r\n",
    answered: { status: 404, code: "NOT_FOUND" },
  },
  {
    what: "a body that is no JSON for an unknown path",
    sent: "DELETE /nothing HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: 1\r\n\r\n{",
    answered: { status: 404, code: "NOT_FOUND" },
  },
  {
    what: "a request that does not arrive in time",
    sent: "GET /health HTTP/1.1\r\nhost: a\r\nx",
    answered: { status: 408, code: "REQUEST_TIMEOUT" },
  },
])("$what is answered in the same shape, and the connection is closed", async ({ sent, answered }) => {
  await using api = await start({});

  const { status, body } = await sendRaw(api.address, sent);

  expect({ status, code: body.code }).toEqual(answered);
  expect(Object.keys(body)).toEqual(["error", "code"]);
  expect(body.error).toMatch(/^[A-Z].*\.$/);
  if (status === 413) expect(body.error).toBe("The body is larger than 1048576 bytes.");
});

test("an address in use is an error with a remedy", async () => {
  await using first = await start({});
  const port = Number(new URL(first.address).port);

  await expect(start({}, { port })).rejects.toMatchObject({
    code: "PORT_IN_USE",
    message: expect.stringContaining("set api.port to a free port") as unknown,
  });
});

// Goal: no server listens but the one that has our limits, and a client that tries ::1 first still finds it.
// Method: callers that ask for all addresses of localhost get both, as on machines that have IPv6.
test("the name localhost stands for its IPv4 address", async () => {
  const lookUp = dns.lookup;
  vi.spyOn(dns, "lookup").mockImplementation(((name: string, ...[options, done]: LookupRest) => {
    if (name !== "localhost" || options.all !== true) return lookUp(name, options, done);
    done(null, [
      { address: "::1", family: 6 },
      { address: "127.0.0.1", family: 4 },
    ]);
  }) as typeof dns.lookup);
  await using api = await start({}, { host: "localhost" });
  const { port } = new URL(api.address);

  const byName = await fetch(`http://localhost:${port}/health/live`);
  const byIpv6 = fetch(`http://[::1]:${port}/health/live`);

  expect(api.address).toBe(`http://127.0.0.1:${port}`);
  expect(byName.status).toBe(200);
  await expect(byIpv6).rejects.toThrow("fetch failed");
});

test("an address in use for metrics is reported with the settings of metrics", async () => {
  await using first = await start({});
  const port = Number(new URL(first.address).port);

  await expect(start({}, { section: "metrics", port })).rejects.toMatchObject({
    code: "PORT_IN_USE",
    message: expect.stringContaining("set metrics.port to a free port, or metrics.host to an") as unknown,
  });
});

// Goal: no client that waits for an answer can delay the stop.
test("stopping is bounded although an answer is never finished", async () => {
  const asked = Promise.withResolvers<void>();
  const endless = {
    contentType: "text/plain",
    text: () => {
      asked.resolve();
      return new Promise<string>(() => {});
    },
  };
  const api = await start({}, { metrics: endless });
  const answer = fetch(`${api.address}/metrics`).catch(() => "cut off");
  await asked.promise;

  const startedAt = performance.now();
  await api[Symbol.asyncDispose]();

  expect(performance.now() - startedAt).toBeLessThan(20_000);
  expect(await answer).toBe("cut off");
});

test("a request that arrives during the stop is refused in the same shape", async () => {
  const asked = Promise.withResolvers<void>();
  const held = Promise.withResolvers<string>();
  const slow = {
    contentType: "text/plain",
    text: () => {
      asked.resolve();
      return held.promise;
    },
  };
  const api = await start({}, { metrics: slow });
  const { hostname, port } = new URL(api.address);
  const health = "GET /health HTTP/1.1\r\nhost: a\r\n\r\n";
  const answer = fetch(`${api.address}/metrics`);
  await asked.promise;
  const socket = connect(Number(port), hostname);
  // The second request has begun to arrive when the first is answered.
  socket.write(health + health.slice(0, -2));
  await once(socket, "data");

  const stopped = api[Symbol.asyncDispose]();
  // No other client can connect once the server has closed its port.
  await expect.poll(() => fetch(api.address).catch(() => "refused")).toBe("refused");
  socket.write("\r\n");

  expect(await text(socket)).toMatch(
    /^HTTP\/1\.1 503 [^]*{"error":"The agent is stopping\.","code":"UNAVAILABLE"}$/,
  );
  held.resolve("attune_x 1\n");
  expect(await (await answer).text()).toBe("attune_x 1\n");
  await stopped;
});
