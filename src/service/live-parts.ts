/** What viewers of the page see: all agents, once a second, and what doctor finds. */
import type { Diagnose } from "../api/routes/diagnosis.ts";
import type { Database } from "../database/database.ts";
import { examineRunning } from "../diagnosis/examine.ts";
import { LiveCounts } from "../live/live-counts.ts";
import { LiveExchange } from "../live/live-exchange.ts";
import { LiveStream } from "../live/live-stream.ts";
import { selectRuntimes } from "../model/runtimes/runtime-selection.ts";
import { readFleetFacts } from "../registration/fleet-facts.ts";
import { recentFacts } from "../telemetry/recent-facts.ts";
import type { RegisteredWorker } from "./registered-worker.ts";
import type { ServiceContext } from "./service-context.ts";

export interface OpenedLive {
  readonly stream: LiveStream;
  readonly exchange: LiveExchange;
}

const findingsFreshMs = 5_000;
const findingsWaitMs = 4_000;
const fleetFreshMs = 2_500;
const fleetWaitMs = 2_000;

export function openLiveCounts({ activity, instance, clock }: ServiceContext): LiveCounts {
  return new LiveCounts(instance, activity, clock);
}

export function openLive(
  { options, lifetime, instance, clock }: ServiceContext,
  database: Database,
  counts: LiveCounts,
): OpenedLive {
  const stream = new LiveStream({
    instance,
    onWatched: (isWatched) => exchange.watch(isWatched),
    fleet: recentFacts(() => readFleetFacts(database), { freshMs: fleetFreshMs, waitMs: fleetWaitMs, clock }),
    clock,
  });
  const exchange: LiveExchange = new LiveExchange({
    database,
    instance,
    counts,
    onReport: (report) => stream.note(report),
    onSecond: () => stream.tick(),
    clock,
    logger: options.logger,
  });
  lifetime.run((signal) => exchange.run(signal));
  return { stream, exchange };
}

/** What doctor finds, for all who ask. */
export function openDiagnosis(
  { options, clock }: ServiceContext,
  { database, runtimes }: Pick<RegisteredWorker, "database" | "runtimes">,
): Diagnose {
  const { config, runtimesFromEnvironment } = options;
  const selection = selectRuntimes(runtimesFromEnvironment?.join(","), config.sensor.capabilities.runtimes);
  return recentFacts(() => examineRunning(config, database, { runtimes, selection }), {
    freshMs: findingsFreshMs,
    waitMs: findingsWaitMs,
    clock,
  });
}
