/** Standalone sensors on real agents, with a program that uses no SDK. */
import { mkdir, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { repositoryRoot } from "../../scripts/repository.ts";
import { agentFolder, metric, ready, startAgent } from "../support/agent-process.ts";
import { insertRule, insertSensor, insertTrigger, query } from "../support/platform-rows.ts";
import { freshDatabase } from "../support/postgres.ts";
import { freshVhost } from "../support/rabbitmq.ts";

const soon = { timeout: 30_000, interval: 50 };

async function listener(listenMs: number, deafAfterSeconds: number) {
  const fresh = await freshDatabase();
  const vhost = await freshVhost();
  const { database } = fresh;
  await insertTrigger(database, "fault.heard");
  await insertRule(database, { ref: "fault.rule", triggerRef: "fault.heard" });
  await insertSensor(database, {
    ref: "fault.listener",
    triggerRef: "fault.heard",
    protocol: "standalone",
    runtimeRef: "core.sensor.nodejs",
    entrypoint: "listener.mjs",
  });
  await query(database, "update sensor set config = $1", [JSON.stringify({ listen_ms: listenMs })]);
  const folder = await agentFolder({
    databaseUrl: fresh.url,
    brokerUrl: vhost.url,
    packsDirectory: join(repositoryRoot, "test/fixtures/packs"),
    workerName: "one",
    sensor: { deaf_after: deafAfterSeconds, lease_duration: 2, lease_renewal_interval: 0.5 },
  });
  const tokens = async (): Promise<readonly string[]> => {
    const text = await readFile(join(folder.path, "data/sensors/fault.listener/tokens"), "utf8").catch(
      () => "",
    );
    return text.split("\n").filter((line) => line !== "");
  };
  return {
    database,
    folder,
    tokens,
    /** The status of the answer to an event posted with that token. */
    async post(token: string | undefined): Promise<number> {
      const response = await fetch(`${folder.apiUrl}/api/v1/events`, {
        method: "POST",
        headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
        body: JSON.stringify({ trigger_ref: "fault.heard", payload: {} }),
      });
      return response.status;
    },
    async [Symbol.asyncDispose]() {
      await folder[Symbol.asyncDispose]();
      await vhost[Symbol.asyncDispose]();
      await fresh[Symbol.asyncDispose]();
    },
  };
}

test("a sensor that lost its connection for good is deaf: visible, and started again", async () => {
  await using world = await listener(2_000, 4);
  await using agent = await startAgent(world.folder);
  await ready(agent, world.folder);

  await expect
    .poll(() => metric(world.folder, "attune_sensor_agent_sensor_deaf_seconds"), soon)
    .toBeGreaterThan(0);
  await expect
    .poll(
      async () => (await query<{ reason: string }>(world.database, "select reason from sensor_process"))[0],
      soon,
    )
    .toMatchObject({ reason: expect.stringContaining("it no longer hears of rule changes") });

  await expect.poll(async () => (await world.tokens()).length, soon).toBe(2);
  const [first, second] = await world.tokens();
  // The token went with its process.
  expect(await world.post(first)).toBe(401);
  expect(await world.post(second)).toBe(201);
});

test("the token of a killed agent's sensor stores nothing once the sensor is assigned anew, and its file goes", async () => {
  await using world = await listener(600_000, 60);
  const environment = { TMPDIR: join(world.folder.path, "temporary") };
  await mkdir(environment.TMPDIR);
  const tokenFolders = async (): Promise<readonly string[]> =>
    (await readdir(environment.TMPDIR)).filter((name) => name.startsWith("attune-token-"));
  await using killed = await startAgent(world.folder, { environment });
  await ready(killed, world.folder);
  await expect.poll(async () => (await world.tokens()).length, soon).toBe(1);
  const [first] = await world.tokens();
  const [left] = await tokenFolders();
  expect(await world.post(first)).toBe(201);

  killed.kill("SIGKILL");
  await killed.ended;
  await using successor = await startAgent(world.folder, { environment });
  await ready(successor, world.folder, 60_000);
  await expect.poll(async () => (await world.tokens()).length, soon).toBe(2);

  expect(left).toBeDefined();
  expect(await tokenFolders()).toEqual([expect.not.stringContaining(left ?? "")]);
  expect(await world.post(first)).toBe(409);
  expect(await world.post((await world.tokens())[1])).toBe(201);
  expect(await query(world.database, "select from event where trigger_ref = 'fault.heard'")).toHaveLength(2);
});
