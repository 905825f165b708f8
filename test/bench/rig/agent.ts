/** The agent as a process of its own, with one stream sensor and one rule that matches one event in ten. */
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { repositoryRoot } from "../../../scripts/repository.ts";
import type { Database } from "../../../src/database/database.ts";
import { agentFolder, startAgent, type AgentProcess } from "../../support/agent-process.ts";
import type { FreshDatabase } from "../../support/postgres.ts";
import type { FreshVhost } from "../../support/rabbitmq.ts";
import { agentCommand } from "./agent-command.ts";

export interface Emission {
  readonly count: number;
  /** 0: as fast as the pipe takes them. */
  readonly perSecond: number;
}

export async function startBenchAgent(
  { url, database }: FreshDatabase,
  vhost: FreshVhost,
  emission: Emission,
): Promise<AgentProcess> {
  await defineBenchPack(database, emission);
  await using parts = new AsyncDisposableStack();
  const folder = parts.use(
    await agentFolder({
      databaseUrl: url,
      brokerUrl: vhost.url,
      packsDirectory: join(repositoryRoot, "test/bench/packs"),
      workerName: "bench",
    }),
  );
  const environment = { ATTUNE_SENSOR_RUNTIMES: "node" };
  const agent = parts.use(await startAgent(folder, { environment, command: agentCommand() }));
  const both = parts.move();
  return { ...agent, [Symbol.asyncDispose]: () => both.disposeAsync() };
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
  agent: AgentProcess,
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
