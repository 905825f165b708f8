/** The parts that receive webhooks. They read nothing before the first request. */
import type { WebhookReceiver as ReceiverPort } from "../api/routes/webhooks.ts";
import type { Keys } from "../api/routes/keys.ts";
import type { Database } from "../database/database.ts";
import type { EventPosts } from "../events/posts/event-posts.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { DeliveryLog } from "../webhooks/delivery-log.ts";
import { RateLimits } from "../webhooks/rate-limits.ts";
import { WebhookEndpoints } from "../webhooks/webhook-endpoints.ts";
import { WebhookReceiver } from "../webhooks/webhook-receiver.ts";
import { WebhookRetention } from "../webhooks/webhook-retention.ts";
import { WebhookSecrets } from "../webhooks/webhook-secrets.ts";
import type { ServiceContext } from "./service-context.ts";

export interface OpenedWebhooks {
  readonly receiver: ReceiverPort;
  readonly endpoints: WebhookEndpoints;
  readonly secrets: WebhookSecrets;
}

interface WebhookParts {
  readonly metrics: Metrics;
  readonly posts: EventPosts;
  readonly keys: Pick<Keys, "read">;
}

export function openWebhooks(
  { options, lifetime, clock, random }: ServiceContext,
  database: Database,
  { metrics, posts, keys }: WebhookParts,
): OpenedWebhooks {
  const { config, logger } = options;
  const endpoints = new WebhookEndpoints({ database, logger, clock });
  const secrets = new WebhookSecrets((ref) => keys.read({ sensorRef: null }, ref), clock);
  const log = new DeliveryLog({ database, metrics, logger, clock });
  const retention = new WebhookRetention({
    database,
    keptSeconds: config.retention.deliveries,
    rowsMax: config.retention.delivery_rows,
    hasWritten: () => log.takeWritten(),
    logger,
    clock,
    random,
  });
  lifetime.run((signal) => log.run(signal));
  lifetime.run((signal) => retention.run(signal));
  const receiver = new WebhookReceiver({
    database,
    endpoints,
    secrets,
    rates: new RateLimits(database, clock),
    posts,
    log,
    metrics,
    workerName: config.sensor.worker_name,
    logger,
    clock,
  });
  return { receiver, endpoints, secrets };
}
