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
import { median, quantile, report, type Finding } from "./rig/report.ts";

/** One run of the floor varies by a factor of three from minute to minute, so both are measured in turns. */
const turns = 5;
const seconds = 5;
/** Of the values, the first sixth is warm-up. */
const warmUp = 1 / 6;
const ratioMax = { 0.5: 1.8, 0.99: 1.6 } as const;

interface Turn {
  readonly measured: readonly number[];
  readonly floor: readonly number[];
}

const findings: Finding[] = [];
for (const perSecond of [100, 1_000]) {
  const emission = { count: seconds * perSecond, perSecond };
  const taken: Turn[] = [];
  for (let turn = 0; turn < turns; turn += 1) {
    taken.push({ floor: warm(await measureFloor(emission)), measured: warm(await measureAgent(emission)) });
  }
  for (const part of [0.5, 0.99] as const)
    findings.push(findingOf(`p${part * 100} at ${perSecond}/s`, taken, part));
}
report(`Lone event, line written → message consumed, ${agentCommand().what}`, findings);

/** Of the turns' ratios, and of their times, the median. */
function findingOf(what: string, taken: readonly Turn[], part: 0.5 | 0.99): Finding {
  const times = taken.map(({ measured, floor }) => ({
    measured: quantile(measured, part),
    floor: quantile(floor, part),
  }));
  const ratio = median(times.map(({ measured, floor }) => measured / floor));
  return {
    what,
    measured: rangeText(times.map(({ measured }) => measured)),
    floor: rangeText(times.map(({ floor }) => floor)),
    ratio,
    required: `at most ${ratioMax[part]} × the floor`,
    isReached: ratio <= ratioMax[part],
  };
}

function rangeText(timesMs: readonly number[]): string {
  const ends = [Math.min(...timesMs), Math.max(...timesMs)];
  return `${median(timesMs).toFixed(2)} ms (${ends.map((endMs) => endMs.toFixed(2)).join(" to ")})`;
}

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
