/**
 * The database inside this process, for a single machine without a PostgreSQL server: the same SQL, the same
 * guarantees, one connection.
 *
 * All statements run one after the other on that connection; a transaction blocks others until it ends. Subscriptions
 * and locks work within this process, and the lock on the directory excludes other processes. A server that ends itself is
 * started again.
 */
import { WakeableLoop } from "../../concurrency/wakeable-loop.ts";
import { OperatorError } from "../../errors/operator-error.ts";
import type { Logger } from "../../telemetry/logger.ts";
import { OutageLog } from "../../telemetry/outage-log.ts";
import { systemClock, type Clock } from "../../time/clock.ts";
import type { Database, HeldLock, Query, Queryable } from "../database.ts";
import { databaseFolder, lockDataDirectory } from "./data-directory.ts";
import { ConnectionError } from "../errors.ts";
import { EmbeddedServer } from "./embedded-server.ts";
import { explainEngineFailure } from "./engine-failure.ts";
import { startEngine, type EmbeddedAssets } from "./engine.ts";
import { maintain } from "./maintenance.ts";
import { demandResources } from "./resource-limits.ts";

export interface EmbeddedOptions {
  readonly dataDirectory: string;
  /** Default `attune`. */
  readonly schema?: string;
  /** Called for each start, so that the bytes stay in memory no longer; see assets.ts. */
  readonly loadAssets?: () => EmbeddedAssets | undefined;
  readonly logger: Logger;
  readonly clock?: Clock;
}

/**
 * @throws OperatorError DATA_DIRECTORY_IN_USE if another process has the directory open, DATABASE_UNREACHABLE if the
 *   directory cannot be used or this process may not open enough files, DATABASE_DAMAGED if the database does not start
 */
export async function openEmbedded(options: EmbeddedOptions): Promise<Database> {
  const {
    dataDirectory,
    schema = "attune",
    loadAssets = () => undefined,
    logger,
    clock = systemClock,
  } = options;
  await using resources = new AsyncDisposableStack();
  demandResources(dataDirectory);
  resources.use(await explainingFailures(dataDirectory, () => lockDataDirectory(dataDirectory)));
  const server = resources.use(
    await EmbeddedServer.open({
      dataDirectory,
      start: () =>
        explainingFailures(dataDirectory, () =>
          startEngine({ directory: dataDirectory, schema, assets: loadAssets() }),
        ),
      logger,
      clock,
    }),
  );
  const query = (statement: Query): Promise<{ rows: object[] }> => server.query(statement);
  const transaction = <T>(work: (transaction: Queryable) => Promise<T>): Promise<T> =>
    server.transaction(work);

  const relaxed: Queryable = {
    query: (statement) =>
      transaction(async (inner) => {
        await inner.query({ text: "set local synchronous_commit = off" });
        return inner.query(statement);
      }),
  };

  const outage = new OutageLog(
    {
      begins: "could not maintain the embedded database; trying again",
      ends: "the embedded database is maintained again",
    },
    { logger, clock },
  );
  const maintenance = new WakeableLoop({
    step: () => maintain(query, schema),
    intervalMs: 5_000,
    retryDelayMs: () => 60_000,
    onFailure(error) {
      // Without a server there is nothing to maintain; EmbeddedServer reports that.
      if (!(error instanceof ConnectionError)) outage.failed({ error });
    },
    onRecovery: () => outage.recovered(),
    clock,
  });
  const lockNames = new Set<string>();
  const stop = new AbortController();
  const maintenanceEnd = maintenance.run(stop.signal);
  resources.defer(async () => {
    stop.abort();
    await maintenanceEnd;
  });

  const opened = resources.move();
  return {
    kind: "embedded",
    schema,
    address: dataDirectory,
    query,
    transaction,
    relaxed,
    // There is one connection, and no other process that could take a lease over.
    reserved: relaxed,
    listen: (channel, onHint) => server.listen(channel, onHint),
    tryLock: async (name) => takeLock(lockNames, name, () => !server.isClosed),
    health: () => server.health(),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

/** @throws OperatorError for every failure */
async function explainingFailures<T>(directory: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof OperatorError) throw cause;
    const attempt = `open the embedded database in ${directory}`;
    throw new OperatorError({ attempt, ...explainEngineFailure(cause, databaseFolder(directory)), cause });
  }
}

function takeLock(names: Set<string>, name: string, isOpen: () => boolean): HeldLock | undefined {
  if (names.has(name)) return undefined;
  names.add(name);
  let isReleased = false;
  return {
    get isHeld() {
      return !isReleased && isOpen();
    },
    async [Symbol.asyncDispose]() {
      if (isReleased) return;
      isReleased = true;
      names.delete(name);
    },
  };
}
