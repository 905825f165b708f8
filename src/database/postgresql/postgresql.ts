/**
 * The database in a PostgreSQL server.
 *
 * There are three kinds of connections: a pool for work, a small pool that commits without waiting for the disk, and one
 * session for subscriptions, locks and the renewal of leases. Each observes the server independently; health is the latest
 * observation.
 */
import { OperatorError } from "../../errors/operator-error.ts";
import { rereadText } from "../../files/reread-text.ts";
import { isTlsSet, tlsOptions, type TlsSettings } from "../../files/tls-options.ts";
import { serviceUrlProblem } from "../../model/texts/service-url.ts";
import type { Logger } from "../../telemetry/logger.ts";
import { systemClock, type Clock } from "../../time/clock.ts";
import type { Database } from "../database.ts";
import { explainingDatabaseFailures } from "../explain-failure.ts";
import { isLaxMode, prepareConnection } from "./connection.ts";
import { ObservedHealth } from "./health.ts";
import { PostgresqlPool } from "./pool.ts";
import { RowSecurity } from "./row-security.ts";
import { PostgresqlSession } from "./session.ts";
import { Row } from "../statement.ts";

export interface PostgresqlOptions {
  readonly url: string;
  /** The file the URL came from, read again at each connection; undefined if it does not change. */
  readonly urlFile?: string | undefined;
  /** If any of them is set, an unencrypted connection is refused. */
  readonly tls?: TlsSettings;
  /** Default `attune`. */
  readonly schema?: string;
  /** All connections together, at least three. With three, nothing commits without waiting for the disk. Default 10. */
  readonly connectionsMax?: number;
  readonly applicationName?: string;
  /** Default 5 s. */
  readonly connectTimeoutMs?: number;
  /** Timeout after which a statement is abandoned and its connection destroyed. Default 30 s. */
  readonly queryTimeoutMs?: number;
  /** How long the session may go without an answer before it sends a heartbeat. Default 3.5 s. */
  readonly heartbeatMs?: number;
  /**
   * `fail` throws an OperatorError if the first attempt to connect fails or the server is too old. `wait` returns a
   * database that connects as soon as it can; until then its queries fail with a ConnectionError.
   */
  readonly whenUnreachable?: "fail" | "wait";
  readonly logger: Logger;
  readonly clock?: Clock;
}

/**
 * Longer than the default interval between renewals of leases, which make heartbeats unnecessary. A dead connection is
 * abandoned early enough for another attempt within a lease of the default length.
 */
const heartbeatUsualMs = 3_500;

/**
 * Relaxed statements find their rows by key or in its order, so an index is always right. Without this, the server plans the
 * deletion from the outbox once, while the table is empty, as a scan of all of it. It then repeats that scan for each
 * deletion, over all rows that were deleted since the last vacuum.
 */
const relaxedSettings = { synchronous_commit: "off", enable_seqscan: "off" };

/** PostgreSQL 14 is the oldest version that the statements and migrations support. */
const serverVersionMin = 140_000;

export async function openPostgresql(options: PostgresqlOptions): Promise<Database> {
  const { url, logger, schema = "attune", connectionsMax = 10, clock = systemClock } = options;
  const { heartbeatMs = heartbeatUsualMs, whenUnreachable = "fail" } = options;
  const rowSecurity = new RowSecurity({ clock, logger });
  const settings = {
    tls: options.tls !== undefined && isTlsSet(options.tls) ? tlsOptions(options.tls) : undefined,
    url: rereadText(options.urlFile, url, (text) => serviceUrlProblem(text) === undefined),
    schema,
    applicationName: options.applicationName ?? "attune-sensor-agent",
    connectTimeoutMs: options.connectTimeoutMs ?? 5_000,
    queryTimeoutMs: options.queryTimeoutMs ?? 30_000,
    rowSecurity: () => rowSecurity.setting(),
  };
  const mode = URL.parse(url)?.searchParams.get("sslmode") ?? null;
  if (isLaxMode(mode))
    logger.warn(
      { sslmode: mode },
      `sslmode=${mode} checks the server's certificate as verify-full does; write verify-full, or set database.tls`,
    );
  const work = prepareConnection(settings);
  const alone = prepareConnection(settings, { synchronous_commit: "off", lock_timeout: "1000" });
  const { address } = work;
  const health = new ObservedHealth(address, logger, clock, whenUnreachable === "wait", () =>
    rowSecurity.complaint(),
  );
  const observe = (failure: Error | undefined): void => health.observe(failure);

  const relaxedConnectionsMax = connectionsMax >= 7 ? 2 : connectionsMax >= 4 ? 1 : 0;
  const pool = new PostgresqlPool({
    connection: work,
    connectionsMax: Math.max(connectionsMax - relaxedConnectionsMax - 1, 1),
    rowSecurity,
    observe,
  });
  const relaxed =
    relaxedConnectionsMax === 0
      ? pool
      : new PostgresqlPool({
          connection: prepareConnection(settings, relaxedSettings),
          connectionsMax: relaxedConnectionsMax,
          rowSecurity,
          observe,
        });
  const session = new PostgresqlSession({
    connection: alone,
    schema,
    heartbeatMs,
    rowSecurity,
    clock,
    observe,
  });

  if (whenUnreachable === "wait") {
    await Promise.all([session.connect().catch(() => {}), pool.prepare()]);
  } else {
    try {
      await explainingDatabaseFailures(`connect to the database at ${address}`, async () => {
        await Promise.all([session.connect(), pool.prepare()]);
        await demandVersion(session, address);
        await rowSecurity.judge((query) => session.query(query));
        // Connected before that was known.
        if (rowSecurity.setting() === "on") await rowSecurity.judge((query) => pool.query(query));
        await demandOwnSession(session, pool, address);
      });
    } catch (error) {
      health.stop();
      // The other pools have not connected yet.
      for (const connection of [work, alone]) connection.destroyAll();
      throw error;
    }
  }
  const stop = new AbortController();
  const sessionEnd = session.run(stop.signal);

  return {
    kind: "postgresql",
    schema,
    address,
    relaxed,
    reserved: { query: (query) => session.query(query) },
    query: (query) => pool.query(query),
    transaction: (body) => pool.transaction(body),
    listen: (channel, onHint) => session.listen(channel, onHint),
    tryLock: (name) => session.tryLock(name),
    health: () => health.current(),
    async [Symbol.asyncDispose]() {
      health.stop();
      stop.abort();
      const pools = [pool, relaxed].map((each) => each[Symbol.asyncDispose]());
      await Promise.all([sessionEnd, ...pools]);
    },
  };
}

/**
 * A pooler that shares sessions (PgBouncer's transaction and statement modes) lets connections take turns on one server
 * process. At the next statement, the session's subscriptions and locks would belong to another connection.
 */
async function demandOwnSession(
  session: PostgresqlSession,
  pool: PostgresqlPool,
  address: string,
): Promise<void> {
  const own = await session.backendPid();
  const { rows } = await pool.query({ text: "select pg_backend_pid() as pid" });
  if (rows[0] === undefined || new Row("backend_pid", rows[0]).number("pid") !== own) return;
  throw new OperatorError({
    code: "DATABASE_POOLER",
    attempt: `use the database at ${address}`,
    reason:
      "a pooler answers there that shares sessions between connections, as PgBouncer does with pool_mode = transaction or statement",
    remedy:
      "let database.url lead to PostgreSQL itself: notifications, session locks and prepared statements need a session of their own",
  });
}

/** @throws OperatorError DATABASE_OUTDATED */
async function demandVersion(session: PostgresqlSession, address: string): Promise<void> {
  const version = await session.serverVersion();
  if (version >= serverVersionMin) return;
  throw new OperatorError({
    code: "DATABASE_OUTDATED",
    attempt: `use the database at ${address}`,
    reason: `it is PostgreSQL ${Math.floor(version / 10_000)}`,
    remedy: `upgrade the server to PostgreSQL ${serverVersionMin / 10_000} or newer, or name another in database.url`,
  });
}
