import { expect, test } from "vitest";
import { startApi, type ApiOptions } from "../../src/api/start-api.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import type { PartHealth } from "../../src/telemetry/part-health.ts";

const up: PartHealth = { state: "up", detail: "answers", checkedAtMs: 8_500 };
const down: PartHealth = { state: "down", detail: "connection refused", checkedAtMs: 4_000 };

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

async function get(
  url: string,
  init?: RequestInit,
): Promise<{ status: number; body: unknown; headers: Headers }> {
  const response = await fetch(url, init);
  return { status: response.status, body: await response.json(), headers: response.headers };
}

test("health shows every part with its state, why, and how old that knowledge is", async () => {
  await using api = await start({ database: up, broker: down });

  expect(await get(`${api.address}/health`)).toMatchObject({
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

test("ready follows the parts, both ways, and live does not", async () => {
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

test("every failure has one shape: an unknown path, a wrong method, a broken answer", async () => {
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

test("an address in use is an error that says what to do", async () => {
  await using first = await start({});
  const port = Number(new URL(first.address).port);

  await expect(start({}, { port })).rejects.toMatchObject({
    code: "PORT_IN_USE",
    message: expect.stringContaining("set api.port to a free port") as unknown,
  });
});

test("an address in use that metrics were to have is told by the settings of metrics", async () => {
  await using first = await start({});
  const port = Number(new URL(first.address).port);

  await expect(start({}, { section: "metrics", port })).rejects.toMatchObject({
    code: "PORT_IN_USE",
    message: expect.stringContaining("set metrics.port to a free port, or metrics.host to an") as unknown,
  });
});

// Goal: nobody who waits for an answer can hold up the stop.
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

  expect(performance.now() - startedAt).toBeLessThan(4_000);
  expect(await answer).toBe("cut off");
});
