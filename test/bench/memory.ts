/**
 * Resident memory of the agent's process at 1,000 events/s over ten minutes: it stays below 120 MiB and
 * is flat. ATTUNE_BENCH_MINUTES shortens the run.
 *
 * Flat: after the first fifth, the straight line through the samples rises by less than 3 MiB over the
 * rest. The floor is a Node program that does nothing.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { freshDatabase } from "../support/postgres.ts";
import { freshVhost } from "../support/rabbitmq.ts";
import { agentCommand } from "./rig/agent-command.ts";
import { startBenchAgent, until } from "./rig/agent.ts";
import { watchQueue } from "./rig/queue.ts";
import { quantile, report } from "./rig/report.ts";

const minutes = Number(process.env["ATTUNE_BENCH_MINUTES"] ?? "10");
const perSecond = 1_000;
const limitMiB = 120;
const riseMiBMax = 3;

const floorMiB = await idleNodeMiB();
const samples = await sampleAgent();
const settled = samples.slice(Math.floor(samples.length / 5));
const peak = quantile(settled, 1);
const rise = riseOf(settled);
report(`Resident memory, ${minutes} minutes at ${perSecond} events/s, ${agentCommand().what}`, [
  {
    what: "peak",
    measured: `${peak.toFixed(0)} MiB`,
    floor: `${floorMiB.toFixed(0)} MiB`,
    ratio: peak / floorMiB,
    required: `below ${limitMiB} MiB`,
    isReached: peak < limitMiB,
  },
  {
    what: "rise",
    measured: `${rise.toFixed(1)} MiB`,
    floor: `${(settled[0] ?? 0).toFixed(0)} MiB`,
    ratio: 1 + rise / (settled[0] ?? 1),
    required: `below ${riseMiBMax} MiB`,
    isReached: rise < riseMiBMax,
  },
]);

async function sampleAgent(): Promise<number[]> {
  await using database = await freshDatabase();
  await using vhost = await freshVhost();
  await using queue = await watchQueue(vhost.url);
  let consumed = 0;
  await queue.consume(() => {
    consumed += 1;
  });
  const count = minutes * 60 * perSecond;
  await using agent = await startBenchAgent(database, vhost, { count, perSecond });
  await until(agent, async () => consumed > 0, 60_000, "no event arrived");

  const values: number[] = [];
  const endsAtMs = performance.now() + minutes * 60_000;
  while (performance.now() < endsAtMs) {
    await agent.assertRunning();
    values.push(await residentMiB(agent.pid));
    await delay(1_000);
  }
  return values;
}

async function idleNodeMiB(): Promise<number> {
  const program = "setInterval(() => {}, 60_000); console.log()";
  const child = spawn(process.execPath, ["-e", program], { stdio: ["ignore", "pipe", "ignore"] });
  await once(child.stdout, "data");
  const value = await residentMiB(child.pid ?? 0);
  child.kill();
  await once(child, "exit");
  return value;
}

async function residentMiB(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1_024;
}

/** How much the least-squares line through the values rises from the first to the last. */
function riseOf(values: readonly number[]): number {
  const middle = (values.length - 1) / 2;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  let covariance = 0;
  let variance = 0;
  for (const [index, value] of values.entries()) {
    covariance += (index - middle) * (value - mean);
    variance += (index - middle) ** 2;
  }
  return variance === 0 ? 0 : (covariance / variance) * (values.length - 1);
}
