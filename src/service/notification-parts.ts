/** Rules over WebSocket: one feed for all sensors connected to this agent. */
import { RuleFeed } from "../api/websocket/rule-feed.ts";
import { RuleNotifications } from "../api/websocket/rule-notifications.ts";
import type { Database } from "../database/database.ts";
import { rowsOf } from "../database/statement.ts";
import { readRuleMessages } from "../database/statements/rule-messages.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { ServiceContext } from "./service-context.ts";

export interface OpenedNotifications {
  readonly feed: RuleFeed;
  readonly notifications: RuleNotifications;
}

export function openNotifications(
  { options, lifetime, clock, random }: ServiceContext,
  database: Database,
  metrics: Metrics,
): OpenedNotifications {
  const { config, logger } = options;
  const feed = new RuleFeed({
    read: (page) => rowsOf(database, readRuleMessages, page),
    intervalMs: config.sensor.reconcile_interval * 1_000,
    logger,
    clock,
    random,
  });
  lifetime.run((signal) => feed.run(signal));
  const notifications = new RuleNotifications({
    feed,
    onDisconnected: metrics.webSocketDisconnected,
    logger,
    clock,
  });
  return { feed, notifications };
}
