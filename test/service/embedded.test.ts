/**
 * Without a database and a broker configured, everything works on one machine; and what was committed
 * survives the process.
 */
import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { repositoryRoot } from "../../scripts/repository.ts";
import type { Database } from "../../src/database/database.ts";
import { loadMigrations } from "../../src/database/migrations/bundled-migrations.ts";
import { openEmbedded } from "../../src/database/embedded/embedded.ts";
import { migrate } from "../../src/database/migrations/migrate.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { agentFolder, metric, ready, startAgent, type AgentFolder } from "../support/agent-process.ts";
import { insertRule, insertSensor, insertTrigger, query } from "../support/platform-rows.ts";

async function withDatabase<Result>(
  folder: string,
  work: (database: Database) => Promise<Result>,
): Promise<Result> {
  await using database = await openEmbedded({ dataDirectory: join(folder, "data"), logger: silentLogger });
  await migrate(database, loadMigrations(), silentLogger);
  return await work(database);
}

test(
  "an agent without services stores events, is killed, and resumes from the checkpoint",
  { timeout: 180_000 },
  async () => {
    await using folder = await folderWithCounter({ burst: 5, pauseMs: 20 });
    const { enoughFile } = folder;

    for (let round = 0; round < 2; round += 1) {
      await using agent = await startAgent(folder);
      await ready(agent, folder, 60_000);
      await storedMoreThan(folder, 50);
      agent.kill("SIGKILL");
      await agent.ended;
    }
    {
      await using agent = await startAgent(folder);
      await ready(agent, folder, 60_000);
      await storedMoreThan(folder, 0);
      await writeFile(enoughFile, "");
      agent.kill("SIGTERM");
      expect(await agent.ended).toBe(0);
    }

    await withDatabase(folder.path, async (database) => {
      await allStoredOnce(database);
      expect(await query(database, "select status from worker")).toEqual([{ status: "inactive" }]);
    });
  },
);

// Goal: the end of the embedded server, as on a full disk, loses and doubles nothing, and passes without a restart.
// Method: take the folder of its log away, as in test/database/embedded/server-end.test.ts, and count until it is needed.
test("an agent keeps working after its embedded database has crashed", { timeout: 180_000 }, async () => {
  await using folder = await folderWithCounter({ burst: 5, pauseMs: 20, fillerBytes: 20_000 });
  const log = join(folder.path, "data/postgresql/pg_wal");
  {
    await using agent = await startAgent(folder);
    await ready(agent, folder, 60_000);
    await storedMoreThan(folder, 10);
    await rename(log, `${log}.away`);

    const health = async (): Promise<string> => (await fetch(`${folder.apiUrl}/health/ready`)).text();
    await expect
      .poll(health, { timeout: 60_000 })
      .toContain("its server ended itself: could not create file");
    await rename(`${log}.away`, log);
    await ready(agent, folder, 60_000);
    const stored = await metric(folder, "attune_sensor_agent_events_stored_total");
    await storedMoreThan(folder, stored + 50);

    await agent.assertRunning();
    await writeFile(folder.enoughFile, "");
    agent.kill("SIGTERM");
    expect(await agent.ended).toBe(0);
  }

  await withDatabase(folder.path, allStoredOnce);
});

interface CounterFolder extends AgentFolder {
  readonly enoughFile: string;
}

async function folderWithCounter(config: object): Promise<CounterFolder> {
  const folder = await agentFolder({
    databaseUrl: undefined,
    brokerUrl: undefined,
    packsDirectory: join(repositoryRoot, "test/fixtures/packs"),
    workerName: "alone",
  });
  const enoughFile = join(folder.path, "enough");
  await withDatabase(folder.path, async (database) => {
    await insertTrigger(database, "fault.number");
    const runtimeRef = "core.sensor.nodejs";
    await insertSensor(database, {
      ref: "fault.counter",
      triggerRef: "fault.number",
      runtimeRef,
      entrypoint: "counter.mjs",
    });
    await query(database, "update sensor set config = $1", [JSON.stringify({ ...config, enoughFile })]);
    await insertRule(database, { ref: "fault.any", triggerRef: "fault.number" });
  });
  return { ...folder, enoughFile };
}

async function allStoredOnce(database: Database): Promise<void> {
  const numbers = await query<{ n: number }>(
    database,
    "select (payload->>'n')::int as n from event order by n",
  );
  const [checkpoint] = await query<{ value: number }>(database, "select value from sensor_checkpoint");
  const last = checkpoint?.value ?? 0;
  expect(last).toBeGreaterThan(50);
  expect(numbers.map(({ n }) => n)).toEqual(Array.from({ length: last }, (_, index) => index + 1));
  expect(await query(database, "select count(*)::int as count from enforcement")).toEqual([{ count: last }]);
}

async function storedMoreThan(folder: AgentFolder, count: number): Promise<void> {
  await expect
    .poll(() => metric(folder, "attune_sensor_agent_events_stored_total"), { timeout: 60_000 })
    .toBeGreaterThan(count);
}
