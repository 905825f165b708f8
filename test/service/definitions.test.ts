/**
 * What an operator does with plain SQL takes effect in a running agent within a second, measured from
 * the commit to the event or message that proves it.
 */
import { join } from "node:path";
import { expect, test } from "vitest";
import { repositoryRoot } from "../../scripts/repository.ts";
import type { Database } from "../../src/database/database.ts";
import { agentFolder, ready, startAgent } from "../support/agent-process.ts";
import { collectMessages } from "../support/message-collector.ts";
import { insertRule, insertSensor, insertTrigger, query } from "../support/platform-rows.ts";
import { freshDatabase } from "../support/postgres.ts";
import { freshVhost } from "../support/rabbitmq.ts";

/** Generous against a busy machine; without a notification nothing would happen for ten seconds. */
const promptly = { timeout: 20_000, interval: 10 };
const packsDirectory = join(repositoryRoot, "test/fixtures/packs");

async function payloads(database: Database, triggerRef: string): Promise<unknown[]> {
  const rows = await query<{ payload: unknown }>(
    database,
    "select payload from event where trigger_ref = $1 order by id",
    [triggerRef],
  );
  return rows.map(({ payload }) => payload);
}

test(
  "a runtime, a sensor and a rule made by INSERT run at once; changes and removal follow",
  { timeout: 180_000 },
  async () => {
    await using fresh = await freshDatabase();
    const { database } = fresh;
    await using vhost = await freshVhost();
    await using collector = await collectMessages(vhost.url, ["rule.#", "event.#"]);
    await using folder = await agentFolder({
      databaseUrl: fresh.url,
      brokerUrl: vhost.url,
      packsDirectory,
      workerName: "definitions",
    });
    await using agent = await startAgent(folder);
    await ready(agent, folder);

    await query(
      database,
      `insert into runtime (ref, runtime_type, name, distributions)
     values ('fault.sensor.ruby', 'sensor', 'Ruby', '{"verification": {"commands":
       [{"binary": "ruby", "args": ["--version"], "pattern": "ruby \\\\d+"}]}}')`,
    );
    await insertTrigger(database, "fault.told");
    const runtimeRef = "fault.sensor.ruby";
    await insertSensor(database, {
      ref: "fault.teller",
      triggerRef: "fault.told",
      runtimeRef,
      entrypoint: "teller.rb",
    });
    await query(database, `update sensor set config = '{"n": 1}'`);
    expect(await payloads(database, "fault.told")).toEqual([]);
    await insertRule(database, { ref: "fault.one", triggerRef: "fault.told" });
    const first = { language: "ruby", config: { n: 1 }, rules: ["fault.one"] };
    await expect.poll(() => payloads(database, "fault.told"), promptly).toEqual([first]);

    await query(database, `update sensor set config = '{"n": 2}'`);
    const second = { ...first, config: { n: 2 } };
    await expect.poll(() => payloads(database, "fault.told"), promptly).toEqual([first, second]);

    await query(database, "update rule set enabled = false");
    const state = (): Promise<object[]> => query(database, "select status, reason from sensor_process");
    await expect.poll(state, promptly).toMatchObject([{ status: "stopped" }]);
    await query(database, "delete from rule");
    const told = (): unknown[] =>
      [...collector.messages.values()]
        .map(({ message_type: type }) => type)
        .filter((type) => type.startsWith("Rule"));
    await expect.poll(told, promptly).toEqual(["RuleCreated", "RuleDisabled", "RuleDeleted"]);
  },
);

test(
  "a sensor that comes together with its runtime waits for the row's verification, without an alert",
  { timeout: 180_000 },
  async () => {
    await using fresh = await freshDatabase();
    const { database } = fresh;
    await using vhost = await freshVhost();
    await using folder = await agentFolder({
      databaseUrl: fresh.url,
      brokerUrl: vhost.url,
      packsDirectory,
      workerName: "together",
      sensor: { restart_on_error: false },
    });
    await using agent = await startAgent(folder);
    await ready(agent, folder);
    await insertTrigger(database, "fault.told");
    await insertRule(database, { ref: "fault.one", triggerRef: "fault.told" });

    // The worker offers ruby by detection, so it claims the sensor before it knows this row.
    await database.transaction(async (transaction) => {
      await insertSensor(transaction, {
        ref: "fault.teller",
        triggerRef: "fault.told",
        runtimeRef: "fault.sensor.ruby",
        entrypoint: "teller.rb",
      });
      await query(
        transaction,
        `insert into runtime (ref, runtime_type, name, distributions, execution_config)
         values ('fault.sensor.ruby', 'sensor', 'Ruby',
                 '{"verification": {"commands": [{"binary": "sh", "args": ["-c", "sleep 2; ruby --version"]}]}}',
                 '{"interpreter": {"binary": "ruby"}}')`,
      );
    });

    await expect.poll(() => payloads(database, "fault.told"), { timeout: 20_000 }).toHaveLength(1);
    // Rows follow what they report on.
    await expect
      .poll(() => query(database, "select status, failures from sensor_process"), promptly)
      .toEqual([{ status: "running", failures: 0 }]);
    expect(await payloads(database, "core.alert")).toEqual([]);
  },
);

test(
  "a sensor that keeps failing becomes visible: its row, its last words, and an alert that a rule can match",
  { timeout: 180_000 },
  async () => {
    await using fresh = await freshDatabase();
    const { database } = fresh;
    await using vhost = await freshVhost();
    await using collector = await collectMessages(vhost.url, ["enforcement.#"]);
    await using folder = await agentFolder({
      databaseUrl: fresh.url,
      brokerUrl: vhost.url,
      packsDirectory,
      workerName: "failing",
      sensor: { restart_delay: 0.05 },
    });
    await insertTrigger(database, "fault.never");
    const runtimeRef = "core.sensor.shell";
    await insertSensor(database, {
      ref: "fault.crasher",
      triggerRef: "fault.never",
      runtimeRef,
      entrypoint: "crasher.sh",
    });
    await insertRule(database, { ref: "fault.any", triggerRef: "fault.never" });
    await insertRule(database, {
      ref: "fault.page",
      triggerRef: "core.alert",
      conditions: { field: "sensor_ref", operator: "equals", value: "fault.crasher" },
    });

    await using agent = await startAgent(folder);
    await ready(agent, folder);

    await expect
      .poll(() => query(database, "select status, exit_code, stderr_excerpt from sensor_process"), {
        timeout: 20_000,
      })
      .toMatchObject([
        { status: "failed", exit_code: 3, stderr_excerpt: expect.stringContaining("on fire") },
      ]);
    const enforced = (): string[] =>
      [...collector.messages.values()].flatMap((message) =>
        message.message_type === "EnforcementCreated" ? [message.payload.rule_ref] : [],
      );
    await expect.poll(enforced, { timeout: 10_000 }).toEqual(["fault.page"]);
  },
);
