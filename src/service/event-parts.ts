/** An event's way in and its messages' way out. */
import { settlesWithin } from "../concurrency/settles-within.ts";
import type { Database } from "../database/database.ts";
import { EventGenerator } from "../events/event-generator.ts";
import { EventPipeline } from "../events/event-pipeline.ts";
import { DeliveryRecord } from "../events/delivery/delivery-record.ts";
import { DeliveryWatch } from "../events/delivery/delivery-watch.ts";
import { OutboxSweeper } from "../events/delivery/outbox-sweeper.ts";
import { Publisher } from "../events/delivery/publisher.ts";
import { RefusedMessages } from "../events/delivery/refused-messages.ts";
import { tellStored } from "../events/tell-stored.ts";
import type { DatabaseRuleSource } from "../rules/rule-source.ts";
import { ActivitySummary } from "../telemetry/activity-summary.ts";
import type { ServiceContext } from "./service-context.ts";
import type { Surroundings } from "./surroundings.ts";

/** How long storing, and then publishing, may take at the end, each beyond `sensor.shutdown_timeout`. */
export const storeLimitMs = 5_000;
const confirmLimitMs = 5_000;

export interface EventParts {
  readonly pipeline: EventPipeline;
  readonly publisher: Publisher;
  readonly sweeper: OutboxSweeper;
  readonly deliveries: DeliveryRecord;
  readonly refused: RefusedMessages;
  readonly generator: EventGenerator;
  readonly summary: ActivitySummary;
}

export async function openEvents(
  { options, lifetime, activity, fail }: ServiceContext,
  surroundings: Surroundings,
  rules: DatabaseRuleSource,
): Promise<EventParts> {
  const { events, sensor } = options.config;
  // They know each other, and use that only once all are there.
  const deliveries = new DeliveryRecord({
    ...surroundings,
    onRefused: (routingKey, reason) => refused.note(routingKey, reason),
  });
  const publisher: Publisher = new Publisher({
    ...surroundings,
    inFlightMax: events.in_flight,
    deliveries,
    onLeft: (left) => sweeper.readLeft(left),
  });
  const refused: RefusedMessages = new RefusedMessages({ ...surroundings, publisher });
  const sweeper: OutboxSweeper = new OutboxSweeper({
    ...surroundings,
    publisher,
    intervalMs: events.sweep_interval * 1_000,
    leaseMs: sensor.lease_duration * 1_000,
  });
  await sweeper.open();
  // A process of this worker may have died and left messages, which come first.
  sweeper.putOthersFirst();
  lifetime.run((signal) => publisher.run(signal));
  lifetime.onClose(() => publisher.drain(AbortSignal.timeout(confirmLimitMs)));
  lifetime.run((signal) => sweeper.run(signal));
  lifetime.run((signal) => refused.run(signal));
  const watch = new DeliveryWatch({ ...surroundings, deliveries, refused });
  lifetime.run((signal) => watch.run(signal));

  const { logger } = surroundings;
  const summary = new ActivitySummary(surroundings);
  // Ends after the pipeline, so that its last lines have everything.
  lifetime.run((signal) => summary.run(signal));
  const audience = { logger, summary, activity };
  const pipeline = new EventPipeline({
    ...surroundings,
    rules,
    outlet: publisher,
    batchRowsMax: events.batch_rows,
    batchBytesMax: events.batch_bytes,
    batchesMax: batchesMax(surroundings.database.kind, options.config.database.max_connections),
    onStored: (entry, enforcements) => tellStored(audience, entry, enforcements),
    onDuplicate: ({ source }) => summary.noteDuplicate(source?.sensorRef ?? null),
  });
  const abandon = new AbortController();
  const run = pipeline.run(abandon.signal).catch(fail);
  lifetime.onClose(async () => {
    pipeline.close();
    if (!(await settlesWithin(run, storeLimitMs))) abandon.abort();
    await run;
  });
  return {
    publisher,
    sweeper,
    deliveries,
    refused,
    pipeline,
    summary,
    generator: new EventGenerator(surroundings.database, pipeline),
  };
}

/** Leaves connections to everything else; the embedded database has only one. */
function batchesMax(kind: Database["kind"], connectionsMax: number): number {
  return kind === "embedded" ? 1 : Math.min(Math.max((connectionsMax - 2) >> 1, 1), 4);
}
