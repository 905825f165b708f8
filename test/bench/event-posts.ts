/**
 * Events posted over HTTP with 16 keep-alive connections: one at a time, and in batches of 100.
 *
 * The floors, in turns with what is measured: an empty route of the same server library with the same body, and the pipeline
 * without HTTP, with as many events under way as the connections have.
 *
 * Of one sensor, one batch at a time is stored, and what arrives meanwhile waits for the next one. So single posts can be limited
 * by the database's round trips, however cheap HTTP is. Whether they are shows in how much of the time a batch is being stored.
 */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { fastify } from "fastify";
import type { Queryable } from "../../src/database/database.ts";
import { openRig, type PipelineRig } from "../events/pipeline-rig.ts";
import { openPostingApi, type PostingApi } from "../support/posting-api.ts";
import { median, report } from "./rig/report.ts";

const rounds = 3;
const seconds = 4;
const connections = 16;
const batchLength = 100;
const payload = { device: "thermometer-17", celsius: 21.5, note: "x".repeat(200), tags: ["a", "b", "c"] };
const event = { trigger_ref: "demo.tick", payload };
const one = JSON.stringify(event);
const many = JSON.stringify(Array.from({ length: batchLength }, () => event));

async function load(url: string, body: string): Promise<number> {
  const args = [
    join(import.meta.dirname, "rig/http-load.ts"),
    url,
    body,
    String(connections),
    String(seconds),
  ];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  const answered: { count: number; others: number; firstOther: string; seconds: number } = JSON.parse(stdout);
  if (answered.others > 0) throw new Error(`not every answer was 201: ${answered.firstOther}`);
  return answered.count / answered.seconds;
}

async function emptyRoute(body: string): Promise<number> {
  const server = fastify({ bodyLimit: 4_194_304 });
  server.post("/", async (_request, reply) => reply.code(201).send({ data: { id: 1 } }));
  const address = await server.listen({ host: "127.0.0.1", port: 0 });
  const rate = await load(`${address}/`, body);
  await server.close();
  return rate;
}

/** Events per second of the pipeline alone. */
async function pipelineAlone(rig: PipelineRig, posting: PostingApi, eventsAtOnce: number): Promise<number> {
  const { pipeline } = posting.running;
  const startedAtMs = performance.now();
  const untilMs = startedAtMs + seconds * 1_000;
  let stored = 0;
  const client = async (): Promise<void> => {
    while (performance.now() < untilMs) {
      const events = Array.from({ length: eventsAtOnce / connections }, () =>
        pipeline.accept(rig.tick({ payload })),
      );
      await Promise.all(events);
      stored += events.length;
    }
  };
  await Promise.all(Array.from({ length: connections }, client));
  return (stored * 1_000) / (performance.now() - startedAtMs);
}

await using rig = await openRig();
let storingMs = 0;
/** Notes how long batches are being stored. */
const database: Queryable = {
  async query(query) {
    const startedAtMs = performance.now();
    const result = await rig.database.query(query);
    if (query.name?.startsWith("store_batch") === true) storingMs += performance.now() - startedAtMs;
    return result;
  },
};
await using posting = await openPostingApi(rig, { database });
const url = `${posting.api.address}/api/v1/events`;
const rates = {
  empty: [] as number[],
  alone: [] as number[],
  single: [] as number[],
  storing: [] as number[],
  batch: [] as number[],
};
for (let round = 0; round < rounds; round += 1) {
  rates.empty.push(await emptyRoute(one));
  storingMs = 0;
  rates.single.push(await load(url, one));
  rates.storing.push(storingMs / (seconds * 1_000));
  rates.batch.push(batchLength * (await load(url, many)));
  rates.alone.push(await pipelineAlone(rig, posting, connections * batchLength));
}

const [empty, single, storing] = [median(rates.empty), median(rates.single), median(rates.storing)];
const [batch, alone] = [median(rates.batch), median(rates.alone)];
const isPipelineTheLimit = storing >= 0.8;
report("Events posted over HTTP (events/s, medians)", [
  {
    what: `one at a time, by an empty route; a batch being stored ${(100 * storing).toFixed(0)} % of the time`,
    measured: single.toFixed(0),
    floor: empty.toFixed(0),
    ratio: single / empty,
    required: "at least 0.5 × the floor, or storing 80 % of the time",
    isReached: isPipelineTheLimit || single / empty >= 0.5,
  },
  {
    what: `batches of ${batchLength}, by the pipeline alone`,
    measured: batch.toFixed(0),
    floor: alone.toFixed(0),
    ratio: batch / alone,
    required: "at least 0.8 × the floor",
    isReached: batch / alone >= 0.8,
  },
]);
