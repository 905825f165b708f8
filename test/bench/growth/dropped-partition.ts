/** The oldest partition of a large history is archived and dropped while batches are stored: how long one of them takes at most. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
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
const publishMs = 100;
const day = { ...keepEverything, days: 1 };

export async function measureDroppedPartition(events: number): Promise<Finding[]> {
  await using rig = await openRig();
  const folder = await mkdtemp(join(tmpdir(), "attune-archive-"));
  const dropped: string[] = [];
  const keeper = new PartitionKeeper({
    ruleVersionSeconds: 31_536_000,
    database: rig.database,
    limits: { event: day, enforcement: day, event_key: day },
    archive: async (table, partition, signal) =>
      void (await archivePartition(
        { database: rig.database, folder, clock: systemClock },
        table,
        partition,
        signal,
      )),
    metrics: { partitionDropped: (table) => dropped.push(table) },
    logger: silentLogger,
    clock: systemClock,
    random: Math.random,
  });
  const over = new AbortController();
  await keeper.step(over.signal);
  await query(
    rig.database,
    `insert into event (trigger_ref, source_ref, payload, config, created)
     select 'demo.tick', 'demo.sensor', '{"celsius": 21.5, "device": "thermometer"}', '{}',
            now() - interval '3 days' + n / 1000 * interval '1 s' / greatest($1::int / 86400000.0, 1)
       from generate_series(1, $1::int) as n`,
    [events],
  );
  await query(rig.database, "analyze event");
  // The present partition is as old as it may be: the next ids go into the one after it.
  await keeper.step(over.signal);

  await using running = await rig.start();
  const calm = await longestWaits(rig, running, async () => {
    await delay(restMs);
  });
  const startedAtMs = performance.now();
  let tookMs = 0;
  const dropping = await longestWaits(rig, running, async () => {
    await keeper.step(over.signal);
    tookMs = performance.now() - startedAtMs;
    await delay(restMs);
  });
  over.abort();
  await keeper.run(AbortSignal.abort());
  await rm(folder, { recursive: true });
  if (!dropped.includes("event")) throw new Error("the partition was not dropped");
  const what = `${events} events archived and dropped in ${(tookMs / 1_000).toFixed(1)} s`;
  return [
    atMost(
      `${what}: longest event more than without`,
      Math.max(dropping.longest - calm.longest, 0),
      50,
      "ms",
    ),
    atMost(`${what}: p99 of an event against ${calm.p99.toFixed(1)} ms`, dropping.p99 / calm.p99, 3, "×"),
  ];
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
