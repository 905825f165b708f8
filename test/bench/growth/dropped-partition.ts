/**
 * Partitions of a large history are dropped while batches are stored: how long one of them takes at most. One partition with half
 * of the events is dropped as it is, and one with a tenth of them is archived first. Each time is compared with as long a time without.
 *
 * Storing at this rate makes the server write a checkpoint about every 20 s, and while that syncs the files, commits wait for the
 * same disk: 150 ms were seen in a time without any dropping. Such waits are judged apart: they are reported, in both times.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { rowsOf } from "../../../src/database/statement.ts";
import { listPartitions } from "../../../src/database/statements/partitions.ts";
import { keepEverything } from "../../../src/model/retention/keep-limits.ts";
import { archivePartition } from "../../../src/retention/archive.ts";
import { PartitionKeeper } from "../../../src/retention/partition-keeper.ts";
import { silentLogger } from "../../../src/telemetry/logger.ts";
import { systemClock } from "../../../src/time/clock.ts";
import { openRig, type PipelineRig, type RunningPipeline } from "../../events/pipeline-rig.ts";
import { query } from "../../support/platform-rows.ts";
import { atMost } from "../rig/at-most.ts";
import { quantile, type Finding } from "../rig/report.ts";

const inFlight = 50;
const restMs = 3_000;
const lookMs = 10;
const publishMs = 100;

/** By their age in days, oldest first: which part of all events each partition holds. */
const partitions = [
  { ageDays: 5, part: 0.5 },
  { ageDays: 3, part: 0.1 },
  { ageDays: 0, part: 0.4 },
];

type Archive = ConstructorParameters<typeof PartitionKeeper>[0]["archive"];

export async function measureDroppedPartition(events: number): Promise<Finding[]> {
  await using rig = await openRig();
  await loadHistory(rig, events);
  return await measureDrops(rig, events);
}

async function loadHistory(rig: PipelineRig, events: number): Promise<void> {
  await stepOnce(rig, 365, undefined);
  const ranges = await rowsOf(rig.database, listPartitions, { tables: ["event"] });
  const firsts = ranges.flatMap(({ first }) => (first === null ? [] : [first]));
  const client = await rig.fresh.connect();
  // Indexed afterwards: how the rows came to be is not measured.
  await client.query("drop index event_created, event_trigger_created");
  for (const [place, { ageDays, part }] of partitions.entries()) {
    await client.query(
      `insert into event (id, trigger_ref, source_ref, payload, config, created)
       overriding system value
       select $1::bigint + n, 'demo.tick', 'demo.sensor', '{"celsius": 21.5, "device": "thermometer"}', '{}',
              now() - $2::int * interval '1 day'
         from generate_series(1, $3::int) as n`,
      [String(firsts[place]), ageDays, Math.round(events * part)],
    );
  }
  await client.query(`
    create index event_created on event (created, id);
    create index event_trigger_created on event (trigger_ref, created, id)`);
  await client.query("select setval('event_id_seq', max(id)) from event");
  await client.query("vacuum analyze event");
}

async function measureDrops(rig: PipelineRig, events: number): Promise<Finding[]> {
  const folder = await mkdtemp(join(tmpdir(), "attune-archive-"));
  await using running = await rig.start();
  const findings: Finding[] = [];
  const archive: Archive = async (table, partition, signal) =>
    void (await archivePartition(
      { database: rig.database, folder, clock: systemClock },
      table,
      partition,
      signal,
    ));
  for (const { days, hook, dropped, how } of [
    { days: 4, hook: undefined, dropped: 0.5, how: "dropped" },
    { days: 2, hook: archive, dropped: 0.1, how: "archived and dropped" },
  ]) {
    const startedAtMs = performance.now();
    let tookMs = 0;
    const dropping = await longestWaits(rig, running, async () => {
      const tables = await stepOnce(rig, days, hook);
      if (!tables.includes("event")) throw new Error("no partition was dropped");
      tookMs = performance.now() - startedAtMs;
      await delay(restMs);
    });
    const calm = await longestWaits(rig, running, async () => {
      await delay(tookMs + restMs);
    });
    const seconds = (tookMs / 1_000).toFixed(1);
    const what = `${Math.round(events * dropped)} of ${events} events ${how} in ${seconds} s`;
    findings.push(
      atMost(
        `${what}: longest event more than the ${calm.longest.toFixed(0)} ms without ` +
          `(while a checkpoint syncs: ${dropping.besideSync.toFixed(0)} ms, ${calm.besideSync.toFixed(0)} ms without)`,
        Math.max(dropping.longest - calm.longest, 0),
        50,
        "ms",
      ),
      atMost(`${what}: p99 of an event against ${calm.p99.toFixed(1)} ms`, dropping.p99 / calm.p99, 3, "×"),
    );
  }
  await rm(folder, { recursive: true });
  return findings;
}

/** @returns the tables that lost a partition */
async function stepOnce(rig: PipelineRig, days: number, archive: Archive): Promise<string[]> {
  const dropped: string[] = [];
  const limit = { ...keepEverything, days };
  const keeper = new PartitionKeeper({
    ruleVersionSeconds: 31_536_000,
    clockGuard: { observe: () => {}, isDoubted: () => false },
    database: rig.database,
    limits: { event: limit, enforcement: limit, event_key: limit },
    archive,
    metrics: { partitionDropped: (table) => dropped.push(table) },
    logger: silentLogger,
    clock: systemClock,
    random: Math.random,
  });
  await keeper.step(new AbortController().signal);
  await keeper.run(AbortSignal.abort());
  return dropped;
}

interface Waits {
  /** Of the events that were under way during no sync of a checkpoint. */
  readonly longest: number;
  /** Of the others; 0: none. */
  readonly besideSync: number;
  /** Of all. */
  readonly p99: number;
}

async function longestWaits(
  rig: PipelineRig,
  { pipeline, sent }: RunningPipeline,
  work: () => Promise<void>,
): Promise<Waits> {
  const waits: { readonly tookMs: number; readonly isBesideSync: boolean }[] = [];
  let syncSeenAtMs = Number.NEGATIVE_INFINITY;
  const over = new AbortController();
  const emit = async (): Promise<void> => {
    while (!over.signal.aborted) {
      const startedAtMs = performance.now();
      await pipeline.accept(rig.tick());
      waits.push({
        tookMs: performance.now() - startedAtMs,
        isBesideSync: syncSeenAtMs >= startedAtMs,
      });
    }
  };
  // As if they were published: a partition stays while many messages wait.
  const publish = async (): Promise<void> => {
    while (!over.signal.aborted) {
      await query(rig.database, "delete from outbox");
      await delay(publishMs);
    }
  };
  const client = await rig.fresh.connect();
  const look = async (): Promise<void> => {
    while (!over.signal.aborted) {
      const { rowCount } = await client.query(`
        select
          from pg_stat_activity
         where backend_type = 'checkpointer'
           and wait_event in ('DataFileSync', 'SLRUFlushSync', 'SLRUSync', 'WALSync')`);
      if (rowCount !== 0) syncSeenAtMs = performance.now();
      await delay(lookMs);
    }
  };
  const flood = Promise.all([publish(), look(), ...Array.from({ length: inFlight }, emit)]);
  await work();
  over.abort();
  await flood;
  sent.length = 0;
  const tookMs = (some: typeof waits): number[] => some.map((wait) => wait.tookMs);
  const beside = waits.filter(({ isBesideSync }) => isBesideSync);
  return {
    longest: quantile(tookMs(waits.filter(({ isBesideSync }) => !isBesideSync)), 1),
    besideSync: beside.length === 0 ? 0 : quantile(tookMs(beside), 1),
    p99: quantile(tookMs(waits), 0.99),
  };
}
