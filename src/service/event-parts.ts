/** The parts that store events and publish their messages. */
import { settlesWithin } from "../concurrency/settles-within.ts";
import type { Database } from "../database/database.ts";
import { EventGenerator } from "../events/event-generator.ts";
import { EventPipeline } from "../events/event-pipeline.ts";
import { FencedEvents } from "../events/fenced-events.ts";
import { DeliveryRecord } from "../events/delivery/delivery-record.ts";
import { DeliveryWatch } from "../events/delivery/delivery-watch.ts";
import { OutboxSweeper } from "../events/delivery/outbox-sweeper.ts";
import { Publisher } from "../events/delivery/publisher.ts";
import { RefusedMessages } from "../events/delivery/refused-messages.ts";
import { CheckpointOrder } from "../events/posts/checkpoint-order.ts";
import { EventPosts } from "../events/posts/event-posts.ts";
import { CloudEventTriggers } from "../events/posts/cloud-event-triggers.ts";
import { PostSources } from "../events/posts/post-sources.ts";
import { reportStored } from "../events/report-stored.ts";
import type { DatabaseRuleSource } from "../rules/rule-source.ts";
import { ActivitySummary } from "../telemetry/activity-summary.ts";
import type { EventSpans } from "../telemetry/otlp/event-spans.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { Connections } from "./connections.ts";
import { openPayloadSampler } from "./schema-memory-parts.ts";
import { storedFacts, openEventSpans } from "./trace-parts.ts";
import type { ServiceContext } from "./service-context.ts";

/** How long storing, and then publishing, may take during the stop, each in addition to `sensor.shutdown_timeout`. */
export const storeLimitMs = 5_000;
const confirmLimitMs = 5_000;

/** The parts that publish messages. */
export interface OpenedDelivery {
  readonly publisher: Publisher;
  readonly sweeper: OutboxSweeper;
  readonly deliveries: DeliveryRecord;
  readonly refused: RefusedMessages;
}

export interface OpenedEvents extends OpenedDelivery {
  readonly pipeline: EventPipeline;
  readonly generator: EventGenerator;
  readonly summary: ActivitySummary;
  /** What comes over the API. */
  readonly posts: EventPosts;
  readonly postSources: PostSources;
  readonly cloudEventTriggers: CloudEventTriggers;
}

export async function openEvents(
  context: ServiceContext,
  connections: Connections,
  metrics: Metrics,
  rules: DatabaseRuleSource,
): Promise<OpenedEvents> {
  const { options, lifetime, activity, fail, instance, clock, random } = context;
  const { database, serverWatch, installationId } = connections;
  const { logger, config } = options;
  const { events } = config;
  const spans = await openEventSpans(context, installationId, metrics);
  const delivery = await openDelivery(context, connections, metrics, spans);
  const { publisher } = delivery;
  const summary = new ActivitySummary({ logger, clock });
  // Closed after the pipeline, so that its last lines are complete.
  lifetime.run((signal) => summary.run(signal));
  const fenced = new FencedEvents({ database, instance, logger, clock, random });
  lifetime.run((signal) => fenced.run(signal));
  const sampler = openPayloadSampler(context, database);
  const reporters = { logger, summary, activity };
  const pipeline = new EventPipeline({
    database,
    server: serverWatch,
    installationId,
    rules,
    outlet: publisher,
    batchRowsMax: events.batch_rows,
    batchBytesMax: events.batch_bytes,
    batchesMax: batchesMax(database.kind, config.database.max_connections),
    ...(spans && { onCommitted: (...committed) => spans.stored(storedFacts(...committed)) }),
    onStored: (entry, enforcements) => {
      reportStored(reporters, entry, enforcements);
      sampler.note(entry.event.triggerRef, entry.event.payload, entry.payloadJson.length);
    },
    onFenced: (source) => fenced.note(source),
    onDuplicate: ({ source }) => summary.noteDuplicate(source?.sensorRef ?? null),
    metrics,
    logger,
    clock,
    random,
  });
  const abandon = new AbortController();
  const run = pipeline.run(abandon.signal).catch(fail);
  lifetime.onClose(async () => {
    pipeline.close();
    if (!(await settlesWithin(run, storeLimitMs))) abandon.abort();
    await run;
  });
  const postSources = new PostSources({ database, clock });
  const posts = new EventPosts({
    pipeline,
    sources: postSources,
    checkpoints: new CheckpointOrder({ database, raiseIds: (above) => pipeline.raiseIds(above) }),
    pace: publisher.pace,
    waitMs: events.post_wait * 1_000,
    clock,
  });
  const generator = new EventGenerator(database, pipeline);
  const cloudEventTriggers = new CloudEventTriggers({ database, clock });
  return { ...delivery, pipeline, summary, generator, posts, postSources, cloudEventTriggers };
}

async function openDelivery(
  { options, lifetime, instance, clock, random }: ServiceContext,
  { database, installationId, messageQueue }: Connections,
  metrics: Metrics,
  spans: EventSpans | undefined,
): Promise<OpenedDelivery> {
  const { config, logger } = options;
  const { transport } = messageQueue;
  // They refer to each other, but only once all exist.
  const deliveries = new DeliveryRecord({
    onRefused: (routingKey, reason) => refused.note(routingKey, reason),
    onUnroutable: () => watch.wake(),
    metrics,
    clock,
  });
  const publisher: Publisher = new Publisher({
    database,
    transport,
    instance,
    format: config.message_queue.format,
    inFlightMax: config.events.in_flight,
    deliveries,
    onLeft: (left) => sweeper.readLeft(left),
    ...(spans && { onConfirmed: (messageId: string) => spans.confirmed(messageId) }),
    metrics,
    logger,
    clock,
    random,
  });
  const refused: RefusedMessages = new RefusedMessages({
    database,
    transport,
    publisher,
    instance,
    installationId,
    onCounted: () => watch.wake(),
    logger,
    clock,
    random,
  });
  const watch = new DeliveryWatch({ transport, deliveries, refused, logger, clock });
  const sweeper: OutboxSweeper = new OutboxSweeper({
    database,
    transport,
    publisher,
    instance,
    installationId,
    intervalMs: config.events.sweep_interval * 1_000,
    leaseMs: config.sensor.lease_duration * 1_000,
    onOwed: () => refused.noteOwed(),
    metrics,
    logger,
    clock,
    random,
  });
  await sweeper.open();
  // An earlier process of this worker may have died and left messages, which must be published first.
  sweeper.putOthersFirst();
  lifetime.run((signal) => publisher.rows.run(signal));
  lifetime.onClose(() => publisher.drain(AbortSignal.timeout(confirmLimitMs)));
  lifetime.run((signal) => sweeper.run(signal));
  lifetime.run((signal) => refused.run(signal));
  lifetime.run((signal) => watch.run(signal));
  return { publisher, sweeper, deliveries, refused };
}

/** Leaves connections for everything else; the embedded database has only one. */
function batchesMax(kind: Database["kind"], connectionsMax: number): number {
  return kind === "embedded" ? 1 : Math.min(Math.max((connectionsMax - 2) >> 1, 1), 4);
}
