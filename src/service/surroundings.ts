/** What nearly every part of a worker at work needs. */
import type { Database } from "../database/database.ts";
import type { ServerWatch } from "../events/server-watch.ts";
import type { MessageQueue } from "../messaging/message-queue.ts";
import type { MessageTransport } from "../messaging/message-transport.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { Clock } from "../time/clock.ts";

export interface Surroundings {
  readonly database: Database;
  readonly server: ServerWatch;
  readonly messageQueue: MessageQueue;
  /** Of the message queue. */
  readonly transport: MessageTransport;
  readonly installationId: string;
  /** As in ServiceContext. */
  readonly instance: string;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: () => number;
}
