/**
 * Sustained throughput: a stream sensor that writes 1 kB lines as fast as its pipe takes them, one rule
 * that matches one in ten, every message confirmed.
 *
 * The floor is the slower of two minimal programs that run at the same time: one inserts the same rows
 * in batches, one has the same messages confirmed. Floor and agent take turns, and the agent is compared with the
 * floors before and after it: the machine's speed can change by a third within this minute. Of these ratios the median
 * counts. The agent's rate is taken from three eighths of the way to the last message in the queue. Until then V8
 * compiles the agent's code (the first 20,000 events take one and a half times the processor time of later ones); the
 * floors' few lines are compiled at once.
 */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { freshDatabase } from "../support/postgres.ts";
import { freshVhost } from "../support/rabbitmq.ts";
import { agentCommand } from "./rig/agent-command.ts";
import { startBenchAgent, until } from "./rig/agent.ts";
import { watchQueue } from "./rig/queue.ts";
import { median, report } from "./rig/report.ts";

/** Events a second. */
interface Floors {
  readonly rows: number;
  readonly messages: number;
}

const rounds = 4;
const floorSeconds = 6;
const events = 160_000;
/** Of the messages. */
const warmUpShare = 3 / 8;
const messageCount = events + events / 10;
const ratioRequired = 0.92;

const floors = [await measureFloors()];
const rates: number[] = [];
const ratios: number[] = [];
for (let round = 0; round < rounds; round += 1) {
  const rate = await measureAgent();
  floors.push(await measureFloors());
  const [before = 0, after = 0] = floors.slice(-2).map(slowerOf);
  rates.push(rate);
  ratios.push((2 * rate) / (before + after));
}

const rowFloor = median(floors.map(({ rows }) => rows));
const messageFloor = median(floors.map(({ messages }) => messages));
const ratio = median(ratios);
report(`Sustained throughput, 1 kB events, one in ten matched (events/s, medians), ${agentCommand().what}`, [
  {
    what: `rows ${rowFloor.toFixed(0)}, messages ${messageFloor.toFixed(0)}`,
    measured: median(rates).toFixed(0),
    floor: median(floors.map(slowerOf)).toFixed(0),
    ratio,
    required: `at least ${ratioRequired} × the floor`,
    isReached: ratio >= ratioRequired,
  },
]);

function slowerOf({ rows, messages }: Floors): number {
  return Math.min(rows, messages);
}

async function measureFloors(): Promise<Floors> {
  await using database = await freshDatabase();
  await using vhost = await freshVhost();
  const [rows, confirmed] = await Promise.all([
    runFloor("row-floor.ts", database.url),
    runFloor("message-floor.ts", vhost.url),
  ]);
  return { rows, messages: confirmed };
}

async function runFloor(program: string, url: string): Promise<number> {
  const args = [join(import.meta.dirname, "rig", program), url, String(floorSeconds)];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  const { count, seconds }: { count: number; seconds: number } = JSON.parse(stdout);
  return count / seconds;
}

async function measureAgent(): Promise<number> {
  await using database = await freshDatabase();
  await using vhost = await freshVhost();
  await using queue = await watchQueue(vhost.url);
  await using agent = await startBenchAgent(database, vhost, { count: events, perSecond: 0 });

  let begunAtMs = 0;
  let depthAtBegin = 0;
  const depth = async (): Promise<number> => {
    const found = await queue.depth();
    if (begunAtMs === 0 && found >= messageCount * warmUpShare)
      [begunAtMs, depthAtBegin] = [performance.now(), found];
    return found;
  };
  await until(
    agent,
    async () => (await depth()) >= messageCount,
    120_000,
    `not all ${messageCount} messages arrived`,
  );
  const seconds = (performance.now() - begunAtMs) / 1_000;
  return ((messageCount - depthAtBegin) / messageCount) * (events / seconds);
}
