/**
 * Goal: the database and the broker may go away and come back; the service waits, says so a bounded
 * number of times, and loses and doubles nothing.
 * Method: real servers of the test's own, really stopped; and connections that are open but dead.
 */
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { loadMigrations } from "../../src/database/migrations/bundled-migrations.ts";
import { migrate } from "../../src/database/migrations/migrate.ts";
import { openPostgresql } from "../../src/database/postgresql/postgresql.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { ready, startAgent, type AgentFolder } from "../support/agent-process.ts";
import { startFaultProxy } from "../support/fault-proxy.ts";
import { freshDatabase, privatePostgres } from "../support/postgres.ts";
import { freshVhost, privateBroker } from "../support/rabbitmq.ts";
import { startCounting } from "../support/counting.ts";

const outageMs = Number(process.env["ATTUNE_TEST_OUTAGE_SECONDS"] ?? 60) * 1_000;

async function isReady({ apiUrl }: AgentFolder): Promise<boolean> {
  return (await fetch(`${apiUrl}/health/ready`)).ok;
}

async function isAlive({ apiUrl }: AgentFolder): Promise<boolean> {
  return (await fetch(`${apiUrl}/health/live`)).ok;
}

async function logLineCount({ logPath }: AgentFolder): Promise<number> {
  return (await readFile(logPath, "utf8")).split("\n").length - 1;
}

test("PostgreSQL restarts under load", { timeout: 240_000 }, async () => {
  await using server = await privatePostgres();
  await using database = await openPostgresql({ url: server.url, logger: silentLogger });
  await migrate(database, loadMigrations(), silentLogger);
  await using vhost = await freshVhost();
  await using counting = await startCounting({ database, databaseUrl: server.url, brokerUrl: vhost.url });
  const folder = await counting.folder("restarted");
  await using agent = await startAgent(folder);
  await counting.progress();
  const linesBefore = await logLineCount(folder);

  for (const end of ["stop", "kill"] as const) {
    await server[end]();
    await expect.poll(() => isReady(folder), { timeout: 15_000 }).toBe(false);
    expect(await isAlive(folder)).toBe(true);
    await server.start();
    await expect.poll(() => isReady(folder), { timeout: 30_000 }).toBe(true);
    await expect
      .poll(
        () =>
          counting.progress().then(
            () => true,
            () => false,
          ),
        { timeout: 30_000 },
      )
      .toBe(true);
  }

  await agent.assertRunning();
  await counting.finish();
  await counting.expectNothingLostOrDoubled();
  expect((await logLineCount(folder)) - linesBefore).toBeLessThan(60);
});

test(
  `RabbitMQ is stopped for ${outageMs / 1_000} s and started again`,
  { timeout: 180_000 + outageMs },
  async () => {
    await using fresh = await freshDatabase();
    await using broker = await privateBroker();
    await using counting = await startCounting({
      database: fresh.database,
      databaseUrl: fresh.url,
      brokerUrl: broker.url,
      pace: { burst: 5, pauseMs: 10 },
    });
    const folder = await counting.folder("brokerless");
    await using agent = await startAgent(folder);
    await counting.progress();
    const linesBefore = await logLineCount(folder);

    await broker.stop();
    await expect.poll(() => isReady(folder), { timeout: 15_000 }).toBe(false);
    const untilMs = performance.now() + outageMs;
    while (performance.now() < untilMs) {
      // Events go on being stored: what they owe the broker waits in the outbox.
      await counting.progress();
      expect(await isAlive(folder)).toBe(true);
      await sleep(1_000);
    }
    await broker.start();
    await expect.poll(() => isReady(folder), { timeout: 60_000 }).toBe(true);

    await agent.assertRunning();
    await counting.finish();
    await counting.expectNothingLostOrDoubled();
    // What was stored during the outage went before what was stored after it.
    expect(counting.inversions()).toBe(0);
    expect((await logLineCount(folder)) - linesBefore).toBeLessThan(40);
  },
);

test.each(["database", "broker"] as const)(
  "the connections to the %s are open but dead for a while",
  { timeout: 180_000 },
  async (which) => {
    await using fresh = await freshDatabase();
    await using vhost = await freshVhost();
    const target = new URL(which === "database" ? fresh.url : vhost.url);
    await using proxy = await startFaultProxy({
      targetHost: target.hostname,
      targetPort: Number(target.port),
    });
    target.port = `${proxy.port}`;
    await using counting = await startCounting({
      database: fresh.database,
      databaseUrl: which === "database" ? target.href : fresh.url,
      brokerUrl: vhost.url,
      agentBrokerUrl: which === "broker" ? target.href : vhost.url,
    });
    const folder = await counting.folder("half-dead");
    await using agent = await startAgent(folder);
    await ready(agent, folder);
    await counting.progress();

    proxy.freeze();
    await expect.poll(() => isReady(folder), { timeout: 60_000 }).toBe(false);
    proxy.resume();

    await expect.poll(() => isReady(folder), { timeout: 60_000 }).toBe(true);
    await counting.progress(60_000);
    await agent.assertRunning();
    await counting.finish();
    await counting.expectNothingLostOrDoubled();
  },
);
