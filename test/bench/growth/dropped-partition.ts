/**
 * Partitions of a large history are dropped while batches are stored: how long one of them takes at most. One partition with half
 * of the events is dropped as it is, and one with a tenth of them is archived first.
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
const calmMs = 10_000;
const restMs = 3_000;
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
  const calm = await longestWaits(rig, running, async () => {
    await delay(calmMs);
  });
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
    const seconds = (tookMs / 1_000).toFixed(1);
    const what = `${Math.round(events * dropped)} of ${events} events ${how} in ${seconds} s`;
    findings.push(
      atMost(
        `${what}: longest event more than the ${calm.longest.toFixed(0)} ms without`,
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

async function longestWaits(
  rig: PipelineRig,
  { pipeline, sent }: RunningPipeline,
  work: () => Promise<void>,
): Promise<{ readonly longest: number; readonly p99: number }> {
  const tookMs: number[] = [];
  const over = new AbortController();
  const emit = async (): Promise<void> => {
    while (!over.signal.aborted) {
      const startedAtMs = performance.now();
      await pipeline.accept(rig.tick());
      tookMs.push(performance.now() - startedAtMs);
    }
  };
  // As if they were published: a partition stays while many messages wait.
  const publish = async (): Promise<void> => {
    while (!over.signal.aborted) {
      await query(rig.database, "delete from outbox");
      await delay(publishMs);
    }
  };
  const flood = Promise.all([publish(), ...Array.from({ length: inFlight }, emit)]);
  await work();
  over.abort();
  await flood;
  sent.length = 0;
  return { longest: quantile(tookMs, 1), p99: quantile(tookMs, 0.99) };
}
