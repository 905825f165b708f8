/** An API with rules over WebSocket on a database of its own, woken as a running agent is, with tokens that are the caller's login. */
import type { Authenticate } from "../../src/api/authentication.ts";
import { startApi, type Api, type ApiOptions } from "../../src/api/server.ts";
import type { Disconnection } from "../../src/api/websocket/client.ts";
import { RuleFeed } from "../../src/api/websocket/rule-feed.ts";
import {
  RuleNotifications,
  type RuleNotificationsOptions,
} from "../../src/api/websocket/rule-notifications.ts";
import { rowsOf } from "../../src/database/statement.ts";
import { readRuleMessages, type RuleMessagePage } from "../../src/database/statements/rule-messages.ts";
import type { Caller } from "../../src/model/identity/caller.ts";
import { databaseResources } from "../../src/service/api-parts.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { systemClock } from "../../src/time/clock.ts";
import { freshDatabase } from "./postgres.ts";

export interface NotifyingApi extends AsyncDisposable {
  readonly api: Api;
  readonly fresh: Awaited<ReturnType<typeof freshDatabase>>;
  readonly feed: RuleFeed;
  readonly notifications: RuleNotifications;
  /** Callers by token. */
  readonly callers: Map<string, Caller>;
  readonly disconnections: readonly Disconnection[];
  /** What the feed has asked the database. */
  readonly pages: readonly RuleMessagePage[];
}

const identity = { identityId: "1", jti: null, expiresAtMs: Number.POSITIVE_INFINITY };

export const admin: Caller = { ...identity, login: "admin", role: "admin" };

export function sensorCaller(triggerRefs: readonly string[], expiresAtMs = Number.POSITIVE_INFINITY): Caller {
  const grant = { sensorRef: "demo.sensor", triggerRefs, term: null };
  return { ...identity, login: "sensor:demo.sensor", role: "sensor", grant, expiresAtMs };
}

interface NotifyingApiOptions extends Partial<Omit<RuleNotificationsOptions, "feed">> {
  /** Whether the database's notifications reach the feed. */
  readonly isWoken?: boolean;
  readonly intervalMs?: number;
  readonly authenticate?: Authenticate;
  /** Changes what the feed asks the database, or fails. */
  readonly onRead?: (page: RuleMessagePage) => RuleMessagePage;
  readonly tls?: ApiOptions["tls"];
}

export async function notifyingApi({
  isWoken = true,
  intervalMs = 60_000,
  authenticate,
  onRead = (page) => page,
  tls,
  ...options
}: NotifyingApiOptions = {}): Promise<NotifyingApi> {
  const fresh = await freshDatabase();
  const { database } = fresh;
  const logger = silentLogger;
  const pages: RuleMessagePage[] = [];
  const feed = new RuleFeed({
    read: async (page) => {
      pages.push(page);
      return await rowsOf(database, readRuleMessages, onRead(page));
    },
    intervalMs,
    logger,
    clock: systemClock,
    random: () => 0,
  });
  const disconnections: Disconnection[] = [];
  const notifications = new RuleNotifications({
    logger,
    clock: systemClock,
    onDisconnected: (reason) => disconnections.push(reason),
    ...options,
    feed,
  });
  const callers = new Map<string, Caller>([["admin", admin]]);
  const api = await startApi({
    section: "api",
    host: "127.0.0.1",
    port: 0,
    ...(tls === undefined ? {} : { tls }),
    health: { version: "1.2.3", workerName: "w1", parts: () => ({}), monotonicMs: () => 0 },
    metrics: { contentType: "text/plain", text: async () => "" },
    platform: {
      resources: databaseResources(database),
      authenticate: authenticate ?? (async (token) => callers.get(token)),
    },
    notifications,
    logger,
  });
  const stopping = new AbortController();
  const running = feed.run(stopping.signal);
  if (isWoken) {
    await database.listen("attune_change", (table) => {
      if (table === undefined || table === "rule" || table === "trigger") feed.wake();
      if (table === "revoked_token") notifications.wake();
    });
  }
  return {
    api,
    fresh,
    feed,
    notifications,
    callers,
    disconnections,
    pages,
    async [Symbol.asyncDispose]() {
      await api[Symbol.asyncDispose]();
      stopping.abort();
      await running;
      await fresh[Symbol.asyncDispose]();
    },
  };
}
