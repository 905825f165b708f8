/** Goal: the health page, the metrics and the doctor give the same number of messages that are owed. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";
import { repositoryRoot } from "../../scripts/repository.ts";
import { agentFolder, metric, startAgent } from "../support/agent-process.ts";
import { insertRule, insertTrigger } from "../support/platform-rows.ts";
import { freshDatabase } from "../support/postgres.ts";

test("/health, the metrics and doctor report the same number of messages in the outbox", async () => {
  await using fresh = await freshDatabase();
  await insertTrigger(fresh.database, "demo.tick");
  await using folder = await agentFolder({
    databaseUrl: fresh.url,
    // Nothing listens there: whatever is stored is owed.
    brokerUrl: "amqp://127.0.0.1:1",
    packsDirectory: join(repositoryRoot, "test/fixtures/packs"),
    workerName: "owing",
  });
  await using agent = await startAgent(folder);
  const broker = async (): Promise<unknown> => {
    const answer = await fetch(`${folder.apiUrl}/health`).catch(() => undefined);
    await agent.assertRunning();
    return ((await answer?.json()) as { parts: { broker: unknown } } | undefined)?.parts.broker;
  };
  await expect
    .poll(broker, { timeout: 20_000 })
    .toMatchObject({ state: "down", detail: expect.stringMatching(/ECONNREFUSED|nothing listens/) });

  // Each becomes a message that says so.
  for (let number = 1; number <= 7; number += 1)
    await insertRule(fresh.database, { ref: `demo.rule_${number}`, triggerRef: "demo.tick" });

  await expect
    .poll(broker, { timeout: 20_000 })
    .toMatchObject({ detail: expect.stringMatching(/; messages owed: 7$/) });
  await expect.poll(() => metric(folder, "attune_sensor_agent_outbox_messages"), { timeout: 20_000 }).toBe(7);
  const { stdout } = spawnSync(
    process.execPath,
    [join(repositoryRoot, "src/main.ts"), "--config", folder.configPath, "doctor"],
    { encoding: "utf8" },
  );
  expect(stdout).toMatch(/messages +7 waiting to be published/);
});
