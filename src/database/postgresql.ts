/**
 * The database in a PostgreSQL server.
 *
 * Three kinds of connections: a pool for work, a small pool that commits without waiting for the disk,
 * and one session for subscriptions and locks. They find out about the server each on its own; health
 * is whatever was seen last.
 */
import { OperatorError } from "../errors/operator-error.ts";
import type { Logger } from "../telemetry/logger.ts";
import { systemClock, type Clock } from "../time/clock.ts";
import type { Database } from "./database.ts";
import { prepareConnection } from "./postgresql-connection.ts";
import { ObservedHealth, reasonOf } from "./postgresql-health.ts";
import { PostgresqlPool } from "./postgresql-pool.ts";
import { PostgresqlSession } from "./postgresql-session.ts";

export interface PostgresqlOptions {
  readonly url: string;
  /** Default `attune`. */
  readonly schema?: string;
  /** All connections together, at least three. Default 10. */
  readonly connectionsMax?: number;
  readonly applicationName?: string;
  /** Default 5 s. */
  readonly connectTimeoutMs?: number;
  /** After which a statement is given up and its connection destroyed. Default 30 s. */
  readonly queryTimeoutMs?: number;
  /** Between two signs of life of the session. Default 3 s. */
  readonly heartbeatMs?: number;
  /**
   * `fail` throws DATABASE_UNREACHABLE when the first attempt to connect fails; `wait` returns a
   * database whose queries fail with a ConnectionError, and which connects as soon as it can.
   */
  readonly whenUnreachable?: "fail" | "wait";
  readonly logger: Logger;
  readonly clock?: Clock;
}

export async function openPostgresql(options: PostgresqlOptions): Promise<Database> {
  const { url, logger, schema = "attune", connectionsMax = 10, clock = systemClock } = options;
  const { heartbeatMs = 3_000, whenUnreachable = "fail" } = options;
  const settings = {
    url,
    schema,
    applicationName: options.applicationName ?? "attune-sensor-agent",
    connectTimeoutMs: options.connectTimeoutMs ?? 5_000,
    queryTimeoutMs: options.queryTimeoutMs ?? 30_000,
  };
  const work = prepareConnection(settings);
  const { address } = work;
  const health = new ObservedHealth(address, logger, clock, whenUnreachable === "wait");
  const observe = (failure: Error | undefined): void => health.observe(failure);

  const relaxedConnectionsMax = connectionsMax >= 6 ? 2 : 1;
  const pool = new PostgresqlPool({
    connection: work,
    connectionsMax: Math.max(connectionsMax - relaxedConnectionsMax - 1, 1),
    observe,
  });
  const relaxed = new PostgresqlPool({
    connection: prepareConnection(settings, { synchronous_commit: "off" }),
    connectionsMax: relaxedConnectionsMax,
    observe,
  });
  const session = new PostgresqlSession({
    connection: prepareConnection(settings),
    schema,
    heartbeatMs,
    clock,
    observe,
  });

  const connecting = session.connect().catch((error: unknown) => {
    if (whenUnreachable === "wait") return;
    work.destroyAll();
    throw unreachable(address, error);
  });
  await Promise.all([connecting, pool.prepare()]);
  const stop = new AbortController();
  const sessionEnd = session.run(stop.signal);

  return {
    kind: "postgresql",
    schema,
    address,
    relaxed,
    query: (query) => pool.query(query),
    transaction: (body) => pool.transaction(body),
    listen: (channel, onHint) => session.listen(channel, onHint),
    tryLock: (name) => session.tryLock(name),
    health: () => health.current(),
    async [Symbol.asyncDispose]() {
      health.stop();
      stop.abort();
      await Promise.all([sessionEnd, pool[Symbol.asyncDispose](), relaxed[Symbol.asyncDispose]()]);
    },
  };
}

function unreachable(address: string, cause: unknown): OperatorError {
  return new OperatorError({
    code: "DATABASE_UNREACHABLE",
    attempt: `connect to the database at ${address}`,
    reason: reasonOf(cause),
    remedy: "check that the server runs, and host, port, database, user and password in database.url",
    cause,
  });
}
