/**
 * Goal: SIGTERM ends the agent in bounded time and with code 0, also when nothing can be stored any more.
 * Method: a real agent with a sensor that emits all the time; between it and the database a proxy that
 * refuses or swallows everything, so that all parts wait for an answer when the signal comes.
 */
import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { ready, startAgent, type AgentFolder } from "../support/agent-process.ts";
import { startFaultProxy } from "../support/fault-proxy.ts";
import { isRunning } from "../../scripts/services/is-running.ts";
import { query } from "../support/platform-rows.ts";
import { freshDatabase } from "../support/postgres.ts";
import { freshVhost } from "../support/rabbitmq.ts";
import { startCounting } from "../support/counting.ts";

test.for(["refuse", "freeze"] as const)(
  "an agent without its database (%s) stops all the same",
  { timeout: 180_000 },
  async (fault) => {
    await using fresh = await freshDatabase();
    await using vhost = await freshVhost();
    const { hostname, port } = new URL(fresh.url);
    await using proxy = await startFaultProxy({ targetHost: hostname, targetPort: Number(port) });
    const databaseUrl = Object.assign(new URL(fresh.url), { host: `127.0.0.1:${proxy.port}` }).href;
    const { database } = fresh;
    await using counting = await startCounting({ database, databaseUrl, brokerUrl: vhost.url });
    const folder = await counting.folder("stopping", { shutdown_timeout: 1 });
    await using agent = await startAgent(folder);
    await ready(agent, folder);
    await counting.progress();
    const pidOf = async (): Promise<number | null | undefined> =>
      (await query<{ pid: number | null }>(database, "select pid from sensor_process"))[0]?.pid;
    // Rows follow what they report on.
    await expect.poll(pidOf).toEqual(expect.any(Number));
    const pid = await pidOf();

    proxy[fault]();
    await expect.poll(() => isReady(folder), { timeout: 30_000 }).toBe(false);
    const askedAtMs = performance.now();
    agent.kill("SIGTERM");

    expect(await agent.ended).toBe(0);
    expect(performance.now() - askedAtMs).toBeLessThan(25_000);
    expect(await readFile(folder.logPath, "utf8")).not.toContain("unexpected failure");
    expect(isRunning(pid ?? 0)).toBe(false);
  },
);

async function isReady({ apiUrl }: AgentFolder): Promise<boolean> {
  return (await fetch(`${apiUrl}/health/ready`)).ok;
}
