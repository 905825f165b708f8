/** An event's way in and its messages' way out. */
import { settlesWithin } from "../concurrency/settles-within.ts";
import type { Database } from "../database/database.ts";
import { EventGenerator } from "../events/event-generator.ts";
import { EventPipeline } from "../events/event-pipeline.ts";
import { OutboxSweeper } from "../events/outbox-sweeper.ts";
import { Publisher } from "../events/publisher.ts";
import { tellStored } from "../events/tell-stored.ts";
import type { DatabaseRuleSource } from "../rules/rule-source.ts";
import type { ServiceContext } from "./service-context.ts";
import type { Surroundings } from "./surroundings.ts";

/** How long storing, and then publishing, may take at the end, each beyond `sensor.shutdown_timeout`. */
export const storeLimitMs = 5_000;
const confirmLimitMs = 5_000;

export interface EventParts {
  readonly pipeline: EventPipeline;
  readonly publisher: Publisher;
  readonly sweeper: OutboxSweeper;
  readonly generator: EventGenerator;
}

export function openEvents(
  { options, lifetime, activity, fail }: ServiceContext,
  surroundings: Surroundings,
  rules: DatabaseRuleSource,
): EventParts {
  const { events } = options.config;
  const publisher = new Publisher({ ...surroundings, inFlightMax: events.in_flight });
  lifetime.run((signal) => publisher.run(signal));
  lifetime.onClose(() => publisher.drain(AbortSignal.timeout(confirmLimitMs)));

  const sweeper = new OutboxSweeper({ ...surroundings, intervalMs: events.sweep_interval * 1_000 });
  lifetime.run((signal) => sweeper.run(signal));

  const pipeline = new EventPipeline({
    ...surroundings,
    rules,
    outlet: publisher,
    batchRowsMax: events.batch_rows,
    batchBytesMax: events.batch_bytes,
    batchesMax: batchesMax(surroundings.database.kind, options.config.database.max_connections),
    onStored: (entry, enforcements) => tellStored(activity, entry, enforcements),
    onReleased: () => sweeper.wake(),
  });
  const abandon = new AbortController();
  const run = pipeline.run(abandon.signal).catch(fail);
  lifetime.onClose(async () => {
    pipeline.close();
    if (!(await settlesWithin(run, storeLimitMs))) abandon.abort();
    await run;
  });
  return { publisher, sweeper, pipeline, generator: new EventGenerator(surroundings.database, pipeline) };
}

/** Leaves connections to everything else; the embedded database has only one. */
function batchesMax(kind: Database["kind"], connectionsMax: number): number {
  return kind === "embedded" ? 1 : Math.min(Math.max((connectionsMax - 2) >> 1, 1), 4);
}
