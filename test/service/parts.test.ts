/** The service as a library: what it hands out once it runs, used together. */
import { once } from "node:events";
import { mkdtempDisposable } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { bootstrapRuntimes } from "../../src/agent/bootstrap.ts";
import { loadConfig } from "../../src/config/load-config.ts";
import type { Config } from "../../src/config/schema.ts";
import { runVersionCommands } from "../../src/runtimes/version-commands.ts";
import { SensorService } from "../../src/service.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { collectMessages } from "../support/message-collector.ts";
import { insertRule, insertTrigger, query } from "../support/platform-rows.ts";
import { freshDatabase } from "../support/postgres.ts";
import { freshVhost } from "../support/rabbitmq.ts";

test("code that embeds the service can generate events and match them again", async () => {
  await using fresh = await freshDatabase();
  await using vhost = await freshVhost();
  const { database } = fresh;
  await insertTrigger(database, "embedding.noticed");
  await insertRule(database, { ref: "embedding.first", triggerRef: "embedding.noticed" });
  await using collector = await collectMessages(vhost.url, ["event.#", "enforcement.#", "rule.#"]);
  await using directory = await mkdtempDisposable(join(tmpdir(), "attune-parts-"));
  const service = await serviceOn(configOf(directory.path, fresh.url, vhost.url));
  await using _ = { [Symbol.asyncDispose]: () => service.stop() };

  const { registration, sensorManager, eventGenerator, ruleMatcher, messageQueue } = await service.start();
  expect(await query(database, "select name, status from worker")).toEqual([
    { name: registration.workerName(), status: "active" },
  ]);
  expect(sensorManager.activeCount()).toBe(0);

  const eventId = await eventGenerator.generateSystemEvent({ ref: "embedding.noticed" }, { n: 1 });
  expect(await eventGenerator.getEvent(eventId)).toMatchObject({ payload: { n: 1 } });
  expect(await query(database, "select rule_ref from enforcement")).toEqual([
    { rule_ref: "embedding.first" },
  ]);

  const typesCollected = (): string[] =>
    [...collector.messages.values()].map((message) => message.message_type).toSorted();
  const collected = async (...types: readonly string[]): Promise<void> =>
    await expect.poll(typesCollected, { timeout: 20_000 }).toEqual(types);
  await collected("EnforcementCreated", "EventCreated", "RuleCreated");
  await insertRule(database, { ref: "embedding.later", triggerRef: "embedding.noticed" });
  // The change of the rule makes an agent look through the outbox: the message below must be sent without that.
  await collected("EnforcementCreated", "EventCreated", "RuleCreated", "RuleCreated");
  expect(await ruleMatcher.matchEvent(eventId)).toHaveLength(2);
  await collected("EnforcementCreated", "EnforcementCreated", "EventCreated", "RuleCreated", "RuleCreated");
  expect(messageQueue.isHealthy()).toBe(true);
});

test("a service whose address is taken registers no worker", async () => {
  await using fresh = await freshDatabase();
  await using vhost = await freshVhost();
  await using directory = await mkdtempDisposable(join(tmpdir(), "attune-parts-"));
  await using taken = createServer().listen(0, "127.0.0.1");
  await once(taken, "listening");
  const { port } = taken.address() as AddressInfo;
  const config = configOf(directory.path, fresh.url, vhost.url);
  const service = await serviceOn({ ...config, api: { ...config.api, enabled: true, port } });
  await using _ = { [Symbol.asyncDispose]: () => service.stop() };

  await expect(service.start()).rejects.toMatchObject({ code: "PORT_IN_USE" });

  expect(await query(fresh.database, "select from worker")).toEqual([]);
});

async function serviceOn(config: Config): Promise<SensorService> {
  return new SensorService({
    config,
    logger: silentLogger,
    ...(await bootstrapRuntimes({}, runVersionCommands())),
    agentVersion: "0.0.0",
    secrets: [],
  });
}

function configOf(directory: string, databaseUrl: string, brokerUrl: string): Config {
  const settings = {
    database: { url: databaseUrl },
    message_queue: { url: brokerUrl },
    api: { enabled: false },
    packs_base_dir: join(directory, "packs"),
    runtime_envs_dir: join(directory, "runtime_envs"),
    artifacts_dir: join(directory, "artifacts"),
    data_dir: join(directory, "data"),
    logs_dir: join(directory, "logs"),
    sensor: { worker_name: "embedding" },
  };
  const { config } = loadConfig({
    flags: { config: "config.yaml" },
    env: {},
    cwd: directory,
    hostname: "here",
    readFile: () => JSON.stringify(settings),
  });
  return config;
}
