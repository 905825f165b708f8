/**
 * A lone event: from the line written by the sensor to its message consumed, at 100 and at 1,000
 * events/s. The sensor stamps each line on the machine's monotonic clock, which the consumer here reads
 * too. The floor is one row committed and one message consumed by a program that does nothing else.
 */
import { freshDatabase } from "../support/postgres.ts";
import { freshVhost } from "../support/rabbitmq.ts";
import { agentCommand } from "./rig/agent-command.ts";
import { startBenchAgent, until, type Emission } from "./rig/agent.ts";
import { minimalLatenciesMs } from "./rig/minimal-path.ts";
import { watchQueue } from "./rig/queue.ts";
import { quantile, report, type Finding } from "./rig/report.ts";

const seconds = 12;
/** Of the values, the first sixth is warm-up. */
const warmUp = 1 / 6;
const limitsMs = { 0.5: 2.5, 0.99: 10 } as const;

const findings: Finding[] = [];
for (const perSecond of [100, 1_000]) {
  const emission = { count: seconds * perSecond, perSecond };
  const floor = warm(await measureFloor(emission));
  const measured = warm(await measureAgent(emission));
  for (const part of [0.5, 0.99] as const) {
    const measuredMs = quantile(measured, part);
    const floorMs = quantile(floor, part);
    findings.push({
      what: `p${part * 100} at ${perSecond}/s`,
      measured: `${measuredMs.toFixed(2)} ms`,
      floor: `${floorMs.toFixed(2)} ms`,
      ratio: measuredMs / floorMs,
      required: `at most ${limitsMs[part]} ms`,
      isReached: measuredMs <= limitsMs[part],
    });
  }
}
report(`Lone event, line written → message consumed, ${agentCommand().what}`, findings);

function warm(values: readonly number[]): readonly number[] {
  return values.slice(Math.floor(values.length * warmUp));
}

async function measureFloor(emission: Emission): Promise<number[]> {
  await using database = await freshDatabase();
  await using vhost = await freshVhost();
  return await minimalLatenciesMs(database.url, vhost.url, emission);
}

async function measureAgent(emission: Emission): Promise<number[]> {
  await using database = await freshDatabase();
  await using vhost = await freshVhost();
  await using queue = await watchQueue(vhost.url);
  const latencies: number[] = [];
  await queue.consume((routingKey, body) => {
    if (routingKey !== "event.created") return;
    const nowUs = Number(process.hrtime.bigint() / 1_000n);
    const message: { payload: { payload: { writtenAtUs: number } } } = JSON.parse(body.toString("utf8"));
    latencies.push((nowUs - message.payload.payload.writtenAtUs) / 1_000);
  });
  await using agent = await startBenchAgent(database, vhost, emission);
  const limitMs = (seconds + 60) * 1_000;
  await until(agent, async () => latencies.length >= emission.count, limitMs, "not every event was consumed");
  return latencies;
}
