/**
 * A real agent whose definitions all come over HTTP: pack, trigger, action, sensor and rules. Events of the sensor match the
 * rule that was made, and no longer once it is disabled.
 */
import { join } from "node:path";
import { expect, test } from "vitest";
import { repositoryRoot } from "../../scripts/repository.ts";
import { agentFolder, ready, startAgent } from "../support/agent-process.ts";
import { query } from "../support/platform-rows.ts";
import { freshDatabase } from "../support/postgres.ts";
import { freshVhost } from "../support/rabbitmq.ts";
import { headersFor } from "../support/tokens.ts";

const promptly = { timeout: 30_000, interval: 20 };

test("a rule made over HTTP matches the events of a sensor made over HTTP, until it is disabled", async () => {
  await using fresh = await freshDatabase();
  await using vhost = await freshVhost();
  const packsDirectory = join(repositoryRoot, "test/fixtures/packs");
  const names = {
    databaseUrl: fresh.url,
    brokerUrl: vhost.url,
    packsDirectory,
    workerName: "made-over-http",
  };
  await using folder = await agentFolder(names);
  await using agent = await startAgent(folder);
  await ready(agent, folder);
  const headers = await headersFor("admin");
  const post = async (path: string, body?: object) => {
    const response = await fetch(`${folder.apiUrl}/api/v1${path}`, {
      method: "POST",
      headers: { ...headers, "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    expect([path, response.ok, await response.text()]).toEqual([path, true, expect.any(String)]);
  };

  await post("/packs", { ref: "fault" });
  await post("/triggers", { ref: "fault.count", pack_ref: "fault" });
  await post("/actions", { ref: "fault.act", pack_ref: "fault", entrypoint: "echo {{ n }}" });
  await post("/sensors", {
    ref: "fault.counter",
    pack_ref: "fault",
    entrypoint: "counter.mjs",
    runtime_ref: "node",
    protocol: "stream",
    trigger_ref: "fault.count",
    config: { burst: 1, pauseMs: 50, enoughFile: join(folder.path, "enough") },
  });
  const rule = { pack_ref: "fault", trigger_ref: "fault.count", action_ref: "fault.act" };
  await post("/rules", { ...rule, ref: "fault.all" });
  await post("/rules", {
    ...rule,
    ref: "fault.tenths",
    conditions: [{ field: "isTenth", operator: "equals", value: true }],
    action_params: { n: "{{ event.payload.n }}" },
  });

  const tenths = async () => {
    const rows = await query<{ config: { n: number } }>(
      fresh.database,
      "select config from enforcement where rule_ref = 'fault.tenths' order by id",
    );
    return rows.map(({ config }) => config.n);
  };
  const counted = async () => {
    const [row] = await query<{ n: number }>(fresh.database, "select count(*)::int as n from event");
    return row?.n ?? 0;
  };
  await expect.poll(tenths, promptly).toEqual(expect.arrayContaining([10, 20]));
  expect((await tenths()).every((n) => n % 10 === 0)).toBe(true);

  await post("/rules/fault.tenths/disable");
  // Events that were under way are matched by the rules as they were.
  const soon = (await counted()) + 20;
  await expect.poll(counted, promptly).toBeGreaterThan(soon);
  const matched = await tenths();
  await expect.poll(counted, promptly).toBeGreaterThan(soon + 40);
  expect(await tenths()).toEqual(matched);
}, 180_000);
