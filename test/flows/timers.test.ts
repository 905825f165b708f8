/**
 * Timers of real agents, with PostgreSQL and RabbitMQ: rules made over HTTP fire, change and stop without disturbing each
 * other, and a killed agent's timers go on with another one.
 */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { repositoryRoot } from "../../scripts/repository.ts";
import type { Database } from "../../src/database/database.ts";
import { agentFolder, metric, ready, startAgent, type AgentFolder } from "../support/agent-process.ts";
import { collectMessages } from "../support/message-collector.ts";
import { query } from "../support/platform-rows.ts";
import { freshDatabase, type FreshDatabase } from "../support/postgres.ts";
import { freshVhost, type FreshVhost } from "../support/rabbitmq.ts";
import { seededRandom } from "../support/seeded-random.ts";
import { timerBalances } from "../support/timer-balance.ts";
import { headersFor } from "../support/tokens.ts";

const promptly = { timeout: 30_000, interval: 50 };
const kills = Number(process.env["ATTUNE_TEST_TIMER_KILLS"] ?? 3);

function folderOf({ url }: FreshDatabase, vhost: FreshVhost, workerName: string): Promise<AgentFolder> {
  return agentFolder({
    databaseUrl: url,
    brokerUrl: vhost.url,
    packsDirectory: join(repositoryRoot, "test/fixtures/packs"),
    workerName,
    sensor: { lease_duration: 2, lease_renewal_interval: 0.5 },
  });
}

async function countOf(database: Database, ref: string): Promise<number> {
  const [row] = await query<{ count: number }>(
    database,
    "select count(*)::int as count from event where payload ->> 'rule_ref' = $1",
    [ref],
  );
  return row?.count ?? 0;
}

async function holder(database: Database): Promise<string | undefined> {
  const [row] = await query<{ name: string }>(
    database,
    `select worker.name from sensor_assignment join worker on worker.id = worker
      where sensor = (select id from sensor where ref = 'core.timers') and worker.instance = sensor_assignment.instance
        and sensor_assignment.lease_expires_at > clock_timestamp()`,
  );
  return row?.name;
}

test("rules made over HTTP fire, and another agent goes on with the timers of a killed one", async () => {
  await using fresh = await freshDatabase();
  await using vhost = await freshVhost();
  await using collector = await collectMessages(vhost.url, ["enforcement.created"]);
  const { database } = fresh;
  await using firstFolder = await folderOf(fresh, vhost, "first");
  await using first = await startAgent(firstFolder);
  await ready(first, firstFolder);
  const call = async (folder: AgentFolder, method: string, path: string, body?: object): Promise<void> => {
    const response = await fetch(`${folder.apiUrl}/api/v1${path}`, {
      method,
      headers: { ...(await headersFor("admin")), "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    expect([path, response.ok, await response.text()]).toEqual([path, true, expect.any(String)]);
  };
  // Nothing of it runs without a rule.
  expect(await holder(database)).toBeUndefined();

  await call(firstFolder, "POST", "/packs", { ref: "flow" });
  await call(firstFolder, "POST", "/actions", { ref: "flow.act", pack_ref: "flow", entrypoint: "true" });
  const rule = { pack_ref: "flow", action_ref: "flow.act" };
  await call(firstFolder, "POST", "/rules", {
    ...rule,
    ref: "flow.beat",
    trigger_ref: "core.intervaltimer",
    trigger_params: { interval: 0.5 },
    action_params: { number: "{{ event.payload.execution_count }}" },
  });
  await call(firstFolder, "POST", "/rules", {
    ...rule,
    ref: "flow.cron",
    trigger_ref: "core.crontimer",
    trigger_params: { expression: "* * * * * *", timezone: "Asia/Kathmandu" },
  });
  await expect.poll(() => countOf(database, "flow.beat"), promptly).toBeGreaterThan(3);
  await expect.poll(() => countOf(database, "flow.cron"), promptly).toBeGreaterThan(1);

  // Each event is for its own rule.
  const [foreign] = await query<{ count: number }>(
    database,
    `select count(*)::int as count from enforcement join event on event.id = enforcement.event
      where enforcement.rule_ref <> event.payload ->> 'rule_ref'`,
  );
  expect(foreign?.count).toBe(0);
  await expect
    .poll(() => [...collector.messages.values()].map(({ payload }) => payload), promptly)
    .toContainEqual(expect.objectContaining({ rule_ref: "flow.beat", config: { number: 1 } }));
  expect(await metric(firstFolder, "attune_sensor_agent_timer_late_seconds_count")).toBeGreaterThan(3);

  await call(firstFolder, "POST", "/rules/flow.cron/disable");
  const atDisabling = await countOf(database, "flow.cron");
  const beats = await countOf(database, "flow.beat");
  await expect.poll(() => countOf(database, "flow.beat"), promptly).toBeGreaterThan(beats + 6);
  // At most what was under way, and what fired before the agent was told.
  expect((await countOf(database, "flow.cron")) - atDisabling).toBeLessThanOrEqual(2);

  await using secondFolder = await folderOf(fresh, vhost, "second");
  await using second = await startAgent(secondFolder);
  await ready(second, secondFolder);
  first.kill("SIGKILL");
  await first.ended;
  const atKill = await countOf(database, "flow.beat");
  await expect.poll(() => countOf(database, "flow.beat"), promptly).toBeGreaterThan(atKill + 3);
  expect(await holder(database)).toBe("second");
  await call(secondFolder, "POST", "/sensors/core.timers/restart");
  const atRestart = await countOf(database, "flow.beat");
  await expect.poll(() => countOf(database, "flow.beat"), promptly).toBeGreaterThan(atRestart + 2);

  second.kill("SIGTERM");
  await second.ended;
  const [balance] = await timerBalances(database);
  expect(balance).toMatchObject({ ref: "flow.beat" });
  expect(await countOf(database, "flow.beat")).toBe(balance?.fired);
});

// Goal: a machine that sleeps, or a process that is stopped, costs only what catch_up gives up, and doubles nothing.
// Method: stop a real agent for longer than its lease, and let it go on.
test("a suspended agent skips or makes up for what it slept over, and doubles nothing", async () => {
  await using fresh = await freshDatabase();
  await using vhost = await freshVhost();
  const { database } = fresh;
  await query(
    database,
    `insert into rule (ref, action_ref, trigger_ref, trigger_params)
     values ('sleep.none', 'core.noop', 'core.intervaltimer', '{"interval": 0.5, "catch_up": "none"}'),
            ('sleep.all', 'core.noop', 'core.intervaltimer', '{"interval": 0.5, "catch_up": "all"}')`,
  );
  await using folder = await folderOf(fresh, vhost, "sleeper");
  await using agent = await startAgent(folder);
  await expect.poll(() => countOf(database, "sleep.none"), promptly).toBeGreaterThan(3);

  agent.kill("SIGSTOP");
  // How long it is suspended is what the test is about.
  await sleep(8_000);
  agent.kill("SIGCONT");
  const atResuming = await countOf(database, "sleep.none");
  await expect.poll(() => countOf(database, "sleep.none"), promptly).toBeGreaterThan(atResuming + 3);
  agent.kill("SIGTERM");
  await agent.ended;

  const [none, all] = await timerBalances(database);
  expect(none).toMatchObject({ ref: "sleep.none" });
  expect(none?.skipped).toBeGreaterThan(5);
  expect(all).toMatchObject({ ref: "sleep.all", skipped: 0 });
});

// Goal: whichever agent is killed at whatever moment, each slot fires exactly once or is skipped.
// Method: two agents; the one that runs the timers is killed at a random moment and started again, over and over.
test(`${kills} kills settle every slot exactly once`, { timeout: 60_000 + kills * 20_000 }, async () => {
  await using fresh = await freshDatabase();
  await using vhost = await freshVhost();
  const { database } = fresh;
  const random = seededRandom();
  await query(
    database,
    `insert into rule (ref, action_ref, trigger_ref, trigger_params)
     select 'kill.r' || n, 'core.noop', 'core.intervaltimer',
            jsonb_build_object('interval', 0.1 * n, 'catch_up', case n % 3 when 0 then 'none' when 1 then 'last' else 'all' end)
       from generate_series(1, 12) as n`,
  );
  await using folders = new AsyncDisposableStack();
  const agents = new Map<string, { folder: AgentFolder; agent: Awaited<ReturnType<typeof startAgent>> }>();
  for (const name of ["one", "other"]) {
    const folder = folders.use(await folderOf(fresh, vhost, name));
    const agent = await startAgent(folder);
    agents.set(name, { folder, agent });
    folders.defer(() => agents.get(name)?.agent[Symbol.asyncDispose]() ?? Promise.resolve());
  }
  for (let kill = 0; kill < kills; kill += 1) {
    const before = await countOf(database, "kill.r1");
    await expect.poll(() => countOf(database, "kill.r1"), promptly).toBeGreaterThan(before + 2);
    // The moment itself is the random choice: this is no wait for something to happen.
    await sleep(random.between(0, 1_500));
    const name = (await holder(database)) ?? "one";
    const killed = agents.get(name);
    killed?.agent.kill("SIGKILL");
    await killed?.agent.ended;
    if (killed !== undefined) agents.set(name, { ...killed, agent: await startAgent(killed.folder) });
  }
  for (const { folder, agent } of agents.values()) await ready(agent, folder, 60_000);
  const before = await countOf(database, "kill.r1");
  await expect.poll(() => countOf(database, "kill.r1"), promptly).toBeGreaterThan(before + 2);
  for (const { agent } of agents.values()) {
    agent.kill("SIGTERM");
    await agent.ended;
  }
  const balances = await timerBalances(database);
  expect(balances).toHaveLength(12);
});
