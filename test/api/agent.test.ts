/** A real agent with a real sensor and PostgreSQL: what its API shows, and what it answers without a database. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { freePort } from "../../scripts/services/free-port.ts";
import { ready, startAgent } from "../support/agent-process.ts";
import { startFaultProxy } from "../support/fault-proxy.ts";
import { query } from "../support/platform-rows.ts";
import { freshDatabase } from "../support/postgres.ts";
import { freshVhost } from "../support/rabbitmq.ts";
import { headersFor } from "../support/tokens.ts";
import { startCounting } from "../support/counting.ts";

const scope = new AsyncDisposableStack();
let apiUrl = "";
let metricsUrl = "";
let cutDatabase: (mode: "refuse" | "freeze" | "resume") => void = () => {};
let disableSensor: () => Promise<unknown> = async () => {};

beforeAll(async () => {
  const fresh = scope.use(await freshDatabase());
  const vhost = scope.use(await freshVhost());
  const { hostname, port } = new URL(fresh.url);
  const proxy = scope.use(await startFaultProxy({ targetHost: hostname, targetPort: Number(port) }));
  const databaseUrl = new URL(fresh.url);
  databaseUrl.port = String(proxy.port);
  const counting = scope.use(
    await startCounting({
      database: fresh.database,
      databaseUrl: databaseUrl.href,
      brokerUrl: vhost.url,
      pace: { burst: 1, pauseMs: 100 },
    }),
  );
  const folder = await counting.folder("api-agent");
  const metricsPort = await freePort();
  const environment = { ATTUNE__METRICS__PORT: `${metricsPort}` };
  const agent = scope.use(await startAgent(folder, { environment }));
  await ready(agent, folder);
  ({ apiUrl } = folder);
  metricsUrl = `http://127.0.0.1:${metricsPort}`;
  cutDatabase = (mode) => proxy[mode]();
  disableSensor = () => query(fresh.database, "update sensor set enabled = false");
});

afterAll(() => scope.disposeAsync());

async function ask(url: string) {
  const response = await fetch(url, { headers: await headersFor("viewer") });
  const { status, headers } = response;
  return { status, retryAfter: headers.get("retry-after"), body: await response.json() };
}

test("the API shows the worker and its running sensor", async () => {
  await expect
    .poll(() => ask(`${apiUrl}/api/v1/sensors/fault.counter`), { timeout: 60_000 })
    .toMatchObject({
      status: 200,
      body: {
        data: {
          state: "running",
          worker_name: "api-agent",
          process: { status: "running", current: true, pid: expect.any(Number) as number, failures: 0 },
        },
      },
    });
  expect(await ask(`${apiUrl}/api/v1/workers`)).toMatchObject({
    status: 200,
    body: {
      items: [{ name: "api-agent", status: "active", alive: true, sensors_held: 1 }],
      pagination: { total_items: 1, has_next: false },
    },
  });
});

test("the listener for metrics serves none of it", async () => {
  expect(await ask(`${metricsUrl}/health/live`)).toMatchObject({ status: 200 });
  for (const path of ["workers", "sensors", "sensors/fault.counter"]) {
    expect(await ask(`${metricsUrl}/api/v1/${path}`)).toMatchObject({
      status: 404,
      body: { code: "NOT_FOUND" },
    });
  }
});

test.each(["refuse", "freeze"] as const)(
  "with the database gone (%s) the answer is 503 in time, health is answered, and it ends with the outage",
  async (mode) => {
    cutDatabase(mode);
    try {
      const [answer, health] = await Promise.all([ask(`${apiUrl}/api/v1/sensors`), ask(`${apiUrl}/health`)]);

      expect(answer).toMatchObject({
        status: 503,
        retryAfter: "5",
        body: { code: "DATABASE_UNREACHABLE", error: "The database does not answer, or cannot be opened." },
      });
      expect(health).toMatchObject({ status: 200 });
    } finally {
      cutDatabase("resume");
    }
    await expect
      .poll(() => ask(`${apiUrl}/api/v1/sensors`), { timeout: 60_000 })
      .toMatchObject({ status: 200 });
  },
  120_000,
);

test("a sensor that is disabled is shown as stopped, with its last exit and without an owner", async () => {
  await disableSensor();

  await expect
    .poll(() => ask(`${apiUrl}/api/v1/sensors/fault.counter`), { timeout: 60_000 })
    .toMatchObject({
      body: {
        data: {
          enabled: false,
          state: "stopped",
          worker_name: null,
          process: { status: "stopped", worker_name: "api-agent", current: false, pid: null },
        },
      },
    });
});
