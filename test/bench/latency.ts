/**
 * A lone event: from the line written by the sensor to its message consumed, at 100 and at 1,000
 * events/s. The sensor stamps each line on the machine's monotonic clock, which the consumer here reads
 * too.
 *
 * There are two floors (rig/lone-event-floor.ts), and the agent is compared with both. They begin and end where the agent
 * is measured:
 *
 *   row    one row committed and one message consumed
 *   line   the same with an outbox row for each message: it loses as little in a crash as the agent
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
import { watchQueue, type WatchedQueue } from "./rig/queue.ts";
import { median, quantile, report, type Finding } from "./rig/report.ts";

/** One run of the floor varies by a factor of three from minute to minute, so both are measured in turns. */
const turns = 3;
/**
 * Every few seconds the machine or the broker stands still for 10 to 40 ms. One such stall is a large part of the slowest
 * hundredth of 5,000 events, so that whether it falls within 5 s or not decided the result. A turn of 17 s has several.
 */
const seconds = 17;
/**
 * A worker runs for days, and V8 compiles what the path of an event needs in the course of some 40,000 events. At 1,000/s
 * an event costs the agent a sixth less after 40 s than after 8. At 100/s it makes no difference after 8 s or a minute.
 */
const warmUpSeconds = (perSecond: number): number => (perSecond >= 1_000 ? 40 : 8);
const slackMs = 60_000;
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
  const warmUp = warmUpSeconds(perSecond) * perSecond;
  const emission = { count: warmUp + seconds * perSecond, perSecond };
  const taken: Turn[] = [];
  for (let turn = 0; turn < turns; turn += 1) {
    const row = (await measureFloor("row", emission)).slice(warmUp);
    const line = (await measureFloor("line", emission)).slice(warmUp);
    taken.push({ floors: { row, line }, measured: (await measureAgent(emission)).slice(warmUp) });
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

function limitMs({ count, perSecond }: Emission): number {
  return (count / perSecond) * 1_000 + slackMs;
}

async function measureFloor(kind: FloorKind, emission: Emission): Promise<readonly number[]> {
  await using database = await freshDatabase();
  await using vhost = await freshVhost();
  await using queue = await watchQueue(vhost.url);
  const latencies = await consumeLatencies(queue);
  const floor = join(import.meta.dirname, "rig/lone-event-floor.ts");
  const args = [floor, kind, database.url, vhost.url, JSON.stringify(emission)];
  const program = execFile(process.execPath, args);
  const deadline = performance.now() + limitMs(emission);
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
  await until(
    agent,
    async () => latencies.length >= emission.count,
    limitMs(emission),
    "not every event was consumed",
  );
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
