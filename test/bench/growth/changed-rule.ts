/**
 * One rule changes, of few and of many: how long after the commit an agent uses the new set, and what it costs the agent.
 *
 * The time is that of a rule source in this process, woken by the notification. The processor time, memory and start are those of
 * an agent with nothing else to do.
 */
import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { openRuleSource } from "../../../src/rules/rule-source.ts";
import { silentLogger } from "../../../src/telemetry/logger.ts";
import { systemClock } from "../../../src/time/clock.ts";
import { agentFolder, ready, startAgent } from "../../support/agent-process.ts";
import { freshDatabase, type FreshDatabase } from "../../support/postgres.ts";
import { freshVhost } from "../../support/rabbitmq.ts";
import { agentCommand } from "../rig/agent-command.ts";
import { atMost } from "../rig/at-most.ts";
import { processorSeconds } from "../rig/processor-seconds.ts";
import { quantile, type Finding } from "../rig/report.ts";
import { insertRules } from "./bench-rules.ts";

const changes = 200;
const changesPerSecond = 20;
const few = 1_000;
/** From ready until V8 has collected what the start left. */
const settleMs = 20_000;

interface Cost {
  readonly latenciesMs: readonly number[];
  readonly processorMs: number;
  readonly readySeconds: number;
  readonly mebibytes: number;
}

export async function measureChangedRule(many: number): Promise<Finding[]> {
  const none = await costWith(0);
  const ofFew = await costWith(few);
  const ofMany = await costWith(many);
  const p50 = quantile(ofMany.latenciesMs, 0.5);
  const ratio = p50 / quantile(ofFew.latenciesMs, 0.5);
  return [
    atMost(`one of ${many} rules changed → in use, p50`, p50, 60, "ms"),
    atMost(`one of ${many} rules changed → in use, p99`, quantile(ofMany.latenciesMs, 0.99), 60, "ms"),
    atMost(`p50 of ${many} rules against ${few}`, ratio, 1.5, "×"),
    atMost("the agent's processor time for a change", ofMany.processorMs, 20, "ms"),
    atMost(
      `processor time of ${many} rules against ${few}`,
      ofMany.processorMs / ofFew.processorMs,
      1.5,
      "×",
    ),
    atMost(
      `ready with ${many} rules (${none.readySeconds.toFixed(2)} s with none)`,
      ofMany.readySeconds,
      6,
      "s",
    ),
    atMost(`memory with ${many} rules more than with none`, ofMany.mebibytes - none.mebibytes, 150, "MiB"),
  ];
}

async function costWith(count: number): Promise<Cost> {
  await using fresh = await freshDatabase();
  if (count > 0) await insertRules(fresh.database, count);
  const latenciesMs = count === 0 ? [] : await changeLatencies(fresh, count);
  return { latenciesMs, ...(await agentCost(fresh, count)) };
}

async function changeLatencies(fresh: FreshDatabase, count: number): Promise<number[]> {
  const { database } = fresh;
  const rules = await openRuleSource({
    database,
    intervalMs: 120_000,
    logger: silentLogger,
    clock: systemClock,
    random: Math.random,
  });
  const ending = new AbortController();
  const run = rules.run(ending.signal);
  const listening = await database.listen(`${database.schema}_change`, () => rules.wake());
  const writer = await fresh.connect();
  const latenciesMs: number[] = [];
  for (let n = 0; n < changes; n += 1) {
    const { revision } = rules.current();
    await writer.query(changeText, changeOf(n, count));
    const committedAtMs = performance.now();
    while (rules.current().revision === revision) await delay(0.5);
    latenciesMs.push(performance.now() - committedAtMs);
    await delay(10);
  }
  ending.abort();
  await run;
  await listening[Symbol.asyncDispose]();
  return latenciesMs.slice(changes / 10);
}

async function agentCost(fresh: FreshDatabase, count: number): Promise<Omit<Cost, "latenciesMs">> {
  await using vhost = await freshVhost();
  await using folder = await agentFolder({
    databaseUrl: fresh.url,
    brokerUrl: vhost.url,
    packsDirectory: "/nowhere",
    workerName: "bench",
  });
  const startedAtMs = performance.now();
  await using agent = await startAgent(folder, { command: agentCommand() });
  await ready(agent, folder, 120_000);
  const readySeconds = (performance.now() - startedAtMs) / 1_000;
  await delay(settleMs);
  const mebibytes = residentMebibytes(agent.pid);
  const writer = await fresh.connect();
  const before = processorSeconds(agent.pid);
  for (let n = 0; n < changes; n += 1) {
    // Without a rule nothing changes, and the same time passes.
    await writer.query(changeText, changeOf(n, Math.max(count, 1)));
    await delay(1_000 / changesPerSecond);
  }
  const processorMs = ((processorSeconds(agent.pid) - before) * 1_000) / changes;
  return { readySeconds, mebibytes, processorMs };
}

const changeText = `
  update attune.rule
     set conditions = jsonb_build_array(jsonb_build_object('field', 'host', 'operator', 'equals', 'value', $1::text))
   where ref = $2`;

/** Spread over all, and never twice to the same. */
function changeOf(n: number, count: number): [string, string] {
  return [`changed-${n}-${Math.random()}`, `grown.r${(n * 7_919) % count}`];
}

function residentMebibytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1_024;
}
