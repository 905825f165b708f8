/**
 * Events posted over HTTP with 16 keep-alive connections: one at a time, and in batches of 100.
 *
 * Of one sensor, one batch at a time is stored, and what arrives meanwhile waits for the next one. So single posts are limited by
 * the database's round trips, however cheap HTTP is: while the posts of some connections are being stored, those of the others
 * arrive, and a batch holds about half as many events as there are connections. Two comparisons take API and pipeline apart:
 *
 * - What the API itself costs: its route with a pipeline that stores at once, so that everything but storing is done, against an
 *   empty route of the same server library with the same body.
 * - Whether the pipeline is the limit: the share of the time in which a batch is being stored, against the same share for the
 *   pipeline without HTTP, with as many lone events under way as there are connections.
 *
 * The floors are measured in turns with the rest.
 */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { fastify } from "fastify";
import type { Queryable } from "../../src/database/database.ts";
import type { EventPostsOptions } from "../../src/events/posts/event-posts.ts";
import { openRig, type PipelineRig } from "../events/pipeline-rig.ts";
import { openPostingApi, type PostingApi } from "../support/posting-api.ts";
import { median, report, type Finding } from "./rig/report.ts";

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

/** Stores nothing, at once. */
const instantPipeline: EventPostsOptions["pipeline"] = {
  submit: () => ({ outcome: Promise.resolve({ kind: "stored", eventId: "1" }), withdraw: () => false }),
  submitMove: () => ({ outcome: Promise.resolve({ kind: "stored" }), withdraw: () => false }),
};

await using rig = await openRig();
const stored = { statements: 0, ms: 0 };
/** Notes how long batches are being stored. */
const database: Queryable = {
  async query(query) {
    const startedAtMs = performance.now();
    const result = await rig.database.query(query);
    if (query.name?.startsWith("store_batch") === true) {
      stored.statements += 1;
      stored.ms += performance.now() - startedAtMs;
    }
    return result;
  },
};
await using posting = await openPostingApi(rig, { database });
await using instant = await openPostingApi(rig, { pipeline: instantPipeline });
const path = "/api/v1/events";

interface Stored {
  readonly rate: number;
  readonly eventsPerBatch: number;
  /** Of the time, in which a batch was being stored. */
  readonly storing: number;
}

async function storing(work: () => Promise<number>): Promise<Stored> {
  Object.assign(stored, { statements: 0, ms: 0 });
  const rate = await work();
  const { statements, ms } = stored;
  return { rate, eventsPerBatch: (rate * seconds) / statements, storing: ms / (seconds * 1_000) };
}

const rates = {
  empty: [] as number[],
  instant: [] as number[],
  single: [] as Stored[],
  lone: [] as Stored[],
  batch: [] as number[],
  alone: [] as number[],
};
for (let round = 0; round < rounds; round += 1) {
  rates.empty.push(await emptyRoute(one));
  rates.instant.push(await load(`${instant.api.address}${path}`, one));
  rates.lone.push(await storing(() => pipelineAlone(rig, posting, connections)));
  rates.single.push(await storing(() => load(`${posting.api.address}${path}`, one)));
  rates.batch.push(batchLength * (await load(`${posting.api.address}${path}`, many)));
  rates.alone.push(await pipelineAlone(rig, posting, connections * batchLength));
}

function against(
  what: string,
  [measured, floor]: readonly [number, number],
  least: number,
  text: (value: number) => string = (value) => value.toFixed(0),
): Finding {
  const ratio = measured / floor;
  const required = `at least ${least} × the floor`;
  return { what, measured: text(measured), floor: text(floor), ratio, required, isReached: ratio >= least };
}

const percent = (value: number): string => `${(100 * value).toFixed(0)} %`;
const medianOf = (of: readonly Stored[], key: keyof Stored): number => median(of.map((each) => each[key]));
const { single, lone } = rates;

report("Events posted over HTTP (events/s, medians)", [
  against(
    "one at a time, stored at once, by an empty route",
    [median(rates.instant), median(rates.empty)],
    0.5,
  ),
  against(
    "one at a time: time with a batch being stored, by the pipeline alone",
    [medianOf(single, "storing"), medianOf(lone, "storing")],
    0.8,
    percent,
  ),
  against(
    `batches of ${batchLength}, by the pipeline with as many events under way`,
    [median(rates.batch), median(rates.alone)],
    0.8,
  ),
]);
for (const [what, of] of [
  ["one at a time over HTTP", single],
  ["one at a time into the pipeline alone", lone],
] as const) {
  const rate = medianOf(of, "rate");
  process.stdout.write(
    `${what}: ${rate.toFixed(0)} events/s, ${medianOf(of, "eventsPerBatch").toFixed(1)} events a batch, ` +
      `${(rate / median(rates.empty)).toFixed(2)} of an empty route\n`,
  );
}
