/**
 * A lone event: from the line written by the sensor to its message consumed, at 100 and at 1,000
 * events/s. The sensor stamps each line on the machine's monotonic clock, which the consumer here reads
 * too.
 *
 * There are two floors, and the agent is compared with both:
 *
 *   row    one row committed and one message consumed, by one program that does nothing else (rig/minimal-path.ts)
 *   line   the same from the same line in a child's pipe, with an outbox row for each message (rig/line-floor.ts). It
 *          begins and ends where the agent is measured, and loses as little in a crash
 *
 *     node latency.ts [RATE…]    events/s; 100 and 1,000 without any
 */
import { execFile } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { freshDatabase } from "../support/postgres.ts";
import { freshVhost } from "../support/rabbitmq.ts";
import { agentCommand } from "./rig/agent-command.ts";
import { startBenchAgent, until, type Emission } from "./rig/agent.ts";
import { minimalLatenciesMs } from "./rig/minimal-path.ts";
import { watchQueue, type WatchedQueue } from "./rig/queue.ts";
import { median, quantile, report, type Finding } from "./rig/report.ts";

/** One run of the floor varies by a factor of three from minute to minute, so both are measured in turns. */
const turns = 4;
const seconds = 5;
/** A worker runs for days, and V8 takes about so long until it has compiled what the path of an event needs. */
const warmUpSeconds = 8;
const limitMs = (warmUpSeconds + seconds + 60) * 1_000;
const ratioMax = { 0.5: 1.8, 0.99: 1.6 } as const;

const floorKinds = ["row", "line"] as const;
type FloorKind = (typeof floorKinds)[number];

interface Turn {
  readonly measured: readonly number[];
  readonly floors: Readonly<Record<FloorKind, readonly number[]>>;
}

const rates = process.argv.slice(2).map(Number);
const findings: Finding[] = [];
for (const perSecond of rates.length > 0 ? rates : [100, 1_000]) {
  const emission = { count: (warmUpSeconds + seconds) * perSecond, perSecond };
  const taken: Turn[] = [];
  for (let turn = 0; turn < turns; turn += 1) {
    const row = warm(await measureRowFloor(emission));
    const line = warm(await measureLineFloor(emission));
    taken.push({ floors: { row, line }, measured: warm(await measureAgent(emission)) });
  }
  for (const part of [0.5, 0.99] as const) {
    for (const kind of floorKinds)
      findings.push(findingOf(`p${part * 100} at ${perSecond}/s, floor of a ${kind}`, taken, part, kind));
  }
}
report(`Lone event, line written → message consumed, ${agentCommand().what}`, findings);

/** Of the turns' ratios, and of their times, the median. */
function findingOf(what: string, taken: readonly Turn[], part: 0.5 | 0.99, kind: FloorKind): Finding {
  const times = taken.map(({ measured, floors }) => ({
    measured: quantile(measured, part),
    floor: quantile(floors[kind], part),
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
  return values.slice(Math.floor((values.length * warmUpSeconds) / (warmUpSeconds + seconds)));
}

async function measureRowFloor(emission: Emission): Promise<number[]> {
  await using database = await freshDatabase();
  await using vhost = await freshVhost();
  return await minimalLatenciesMs(database.url, vhost.url, emission);
}

async function measureLineFloor(emission: Emission): Promise<readonly number[]> {
  await using database = await freshDatabase();
  await using vhost = await freshVhost();
  await using queue = await watchQueue(vhost.url);
  const latencies = await consumeLatencies(queue);
  const args = [join(import.meta.dirname, "rig/line-floor.ts"), database.url, vhost.url];
  const program = execFile(process.execPath, [...args, JSON.stringify(emission)]);
  const deadline = performance.now() + limitMs;
  while (latencies.length < emission.count) {
    if (program.exitCode !== null || performance.now() > deadline) throw new Error("the floor stopped early");
    await delay(10);
  }
  program.stdin?.end();
  if (program.exitCode === null) await once(program, "exit");
  return latencies;
}

async function measureAgent(emission: Emission): Promise<readonly number[]> {
  await using database = await freshDatabase();
  await using vhost = await freshVhost();
  await using queue = await watchQueue(vhost.url);
  const latencies = await consumeLatencies(queue);
  await using agent = await startBenchAgent(database, vhost, emission);
  await until(agent, async () => latencies.length >= emission.count, limitMs, "not every event was consumed");
  return latencies;
}

/** Of the lines whose messages arrive from now on, in milliseconds. */
async function consumeLatencies(queue: WatchedQueue): Promise<readonly number[]> {
  const latencies: number[] = [];
  await queue.consume((routingKey, body) => {
    if (routingKey !== "event.created") return;
    const nowUs = Number(process.hrtime.bigint() / 1_000n);
    const message: { payload: { payload: { writtenAtUs: number } } } = JSON.parse(body.toString("utf8"));
    latencies.push((nowUs - message.payload.payload.writtenAtUs) / 1_000);
  });
  return latencies;
}
