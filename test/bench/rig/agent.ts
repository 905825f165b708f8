/** The agent as a process of its own, with one stream sensor and one rule that matches one event in ten. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempDisposable, open, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { repositoryRoot } from "../../../scripts/repository.ts";
import { settlesWithin } from "../../../src/concurrency/settles-within.ts";
import type { Database } from "../../../src/database/database.ts";
import type { FreshDatabase } from "../../support/postgres.ts";
import type { FreshVhost } from "../../support/rabbitmq.ts";
import { agentCommand } from "./agent-command.ts";

const stopLimitMs = 40_000;

export interface Emission {
  readonly count: number;
  /** 0: as fast as the pipe takes them. */
  readonly perSecond: number;
}

export interface AgentUnderTest extends AsyncDisposable {
  readonly pid: number;
  /** Throws with the end of the agent's log when it has ended. */
  assertRunning(): Promise<void>;
}

export async function startAgent(
  { url, database }: FreshDatabase,
  vhost: FreshVhost,
  emission: Emission,
): Promise<AgentUnderTest> {
  await defineBenchPack(database, emission);
  const directory = await mkdtempDisposable(join(tmpdir(), "attune-bench-"));
  const config = join(directory.path, "config.yaml");
  await writeFile(
    config,
    JSON.stringify({
      database: { url },
      message_queue: { url: vhost.url },
      api: { port: 0 },
      packs_base_dir: join(repositoryRoot, "test/bench/packs"),
      runtime_envs_dir: join(directory.path, "runtime_envs"),
      artifacts_dir: join(directory.path, "artifacts"),
      data_dir: join(directory.path, "data"),
      logs_dir: join(directory.path, "logs"),
      sensor: { worker_name: "bench" },
    }),
  );
  const logPath = join(directory.path, "agent.log");
  await using log = await open(logPath, "w");
  const { file, args } = agentCommand();
  const agent = spawn(file, [...args, "--config", config], {
    env: { ...process.env, ATTUNE_SENSOR_RUNTIMES: "node" },
    stdio: ["ignore", log.fd, log.fd],
  });
  await once(agent, "spawn");
  const ended = once(agent, "exit");
  const hasEnded = (): boolean => agent.exitCode !== null || agent.signalCode !== null;

  return {
    pid: agent.pid ?? 0,
    async assertRunning() {
      if (!hasEnded()) return;
      const lines = (await readFile(logPath, "utf8")).split("\n");
      throw new Error(
        `the agent ended with ${agent.exitCode ?? agent.signalCode}:\n${lines.slice(-20).join("\n")}`,
      );
    },
    async [Symbol.asyncDispose]() {
      agent.kill("SIGTERM");
      if (!hasEnded() && !(await settlesWithin(ended, stopLimitMs))) agent.kill("SIGKILL");
      if (!hasEnded()) await ended;
      await directory[Symbol.asyncDispose]();
    },
  };
}

async function defineBenchPack(database: Database, emission: Emission): Promise<void> {
  await database.query({ text: "insert into pack (ref, label) values ('bench', 'Bench')" });
  await database.query({
    text: `insert into trigger (ref, pack, pack_ref, label)
           select 'bench.line', id, ref, 'A line' from pack where ref = 'bench'`,
  });
  await database.query({
    text: `insert into action (ref, pack, pack_ref, label)
           select 'bench.act', id, ref, 'Act' from pack where ref = 'bench'`,
  });
  await database.query({
    text: `insert into sensor (ref, pack, pack_ref, label, entrypoint, runtime, runtime_ref, trigger, trigger_ref, protocol, config)
           select 'bench.emitter', pack.id, pack.ref, 'Emitter', 'emitter.mjs', runtime.id, runtime.ref,
                  trigger.id, trigger.ref, 'stream', $1
             from pack, runtime, trigger
            where pack.ref = 'bench' and runtime.ref = 'core.sensor.nodejs' and trigger.ref = 'bench.line'`,
    values: [JSON.stringify(emission)],
  });
  await database.query({
    text: `insert into rule (ref, pack, pack_ref, label, action, action_ref, trigger, trigger_ref, conditions)
           select 'bench.tenth', pack.id, pack.ref, 'One in ten', action.id, action.ref, trigger.id, trigger.ref,
                  '[{"field": "isTenth", "operator": "equals", "value": true}]'
             from pack, action, trigger
            where pack.ref = 'bench' and action.ref = 'bench.act' and trigger.ref = 'bench.line'`,
  });
}

/** Waits until the condition holds, asking every few milliseconds; throws after the limit. */
export async function until(
  agent: AgentUnderTest,
  holds: () => Promise<boolean>,
  limitMs: number,
  complaint: string,
): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (!(await holds())) {
    await agent.assertRunning();
    if (performance.now() > deadline) throw new Error(`${complaint} within ${limitMs / 1_000} s`);
    await delay(10);
  }
}
