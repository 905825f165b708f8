/**
 * Goal: an agent that is stopped while clients post tells each the truth: 201 with a row, or 503 without one.
 * Method: a real agent gets SIGTERM while sixteen clients post one event after the other.
 */
import { mkdir, mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { agentFolder, ready, startAgent } from "../support/agent-process.ts";
import { insertTrigger, query } from "../support/platform-rows.ts";
import { freshDatabase } from "../support/postgres.ts";
import { freshVhost } from "../support/rabbitmq.ts";
import { headersFor } from "../support/tokens.ts";

test("clients that post while the agent stops are told what is stored", { timeout: 180_000 }, async () => {
  await using fresh = await freshDatabase();
  await using vhost = await freshVhost();
  await insertTrigger(fresh.database, "demo.tick");
  await using packs = await mkdtempDisposable(join(tmpdir(), "attune-packs-"));
  await mkdir(join(packs.path, "packs"));
  await using folder = await agentFolder({
    databaseUrl: fresh.url,
    brokerUrl: vhost.url,
    packsDirectory: join(packs.path, "packs"),
    workerName: "w1",
  });
  await using agent = await startAgent(folder);
  await ready(agent, folder);
  const headers = { ...(await headersFor("admin")), "content-type": "application/json" };
  const statuses = new Map<number, number>();
  const broken: number[] = [];
  const stopped = new AbortController();
  let next = 0;
  const clients = Array.from({ length: 16 }, async () => {
    while (!stopped.signal.aborted) {
      next += 1;
      const n = next;
      try {
        const answer = await fetch(`${folder.apiUrl}/api/v1/events`, {
          method: "POST",
          headers,
          body: JSON.stringify({ trigger_ref: "demo.tick", payload: { n } }),
        });
        statuses.set(n, answer.status);
        await answer.text();
      } catch {
        broken.push(n);
        await sleep(5);
      }
    }
  });
  await expect.poll(() => statuses.size, { timeout: 30_000 }).toBeGreaterThan(200);
  agent.kill("SIGTERM");
  expect(await agent.ended).toBe(0);
  stopped.abort();
  await Promise.all(clients);

  const rows = await query<{ n: number }>(fresh.database, "select (payload->>'n')::int as n from event");
  const stored = new Set(rows.map(({ n }) => n));
  expect(stored.size).toBe(rows.length);
  for (const [n, status] of statuses) expect([n, status]).toEqual([n, stored.has(n) ? 201 : 503]);
  // Nobody listens any more, or the connection was closed before the request was read.
  expect(broken.filter((n) => stored.has(n))).toEqual([]);
});
