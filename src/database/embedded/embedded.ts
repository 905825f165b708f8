/**
 * The database inside this process, for a single machine without a PostgreSQL server: the same SQL, the same
 * guarantees, one connection.
 *
 * All statements run one after the other on that connection; a transaction blocks others until it ends. Subscriptions
 * and locks work within this process, and the lock on the directory excludes other processes. The server runs on the
 * main thread, so while it computes nothing else runs. The engine never yields to the event loop, so consecutive
 * statements would starve timers and sockets; therefore, every few milliseconds, a statement first yields to them.
 */
import { setImmediate as othersTurn } from "node:timers/promises";
import type { PGlite, Transaction } from "@electric-sql/pglite";
import { WakeableLoop } from "../../concurrency/wakeable-loop.ts";
import { OperatorError } from "../../errors/operator-error.ts";
import type { Logger } from "../../telemetry/logger.ts";
import { OutageLog } from "../../telemetry/outage-log.ts";
import { systemClock, type Clock } from "../../time/clock.ts";
import type { Database, HeldLock, Query, Queryable } from "../database.ts";
import { databaseFolder, lockDataDirectory } from "./data-directory.ts";
import { explainEngineFailure } from "./engine-failure.ts";
import { startEngine, type EmbeddedAssets } from "./engine.ts";
import { maintain } from "./maintenance.ts";
import { parameterText } from "./parameters.ts";
import { ConnectionError } from "../errors.ts";
import { demandResources } from "./resource-limits.ts";

export interface EmbeddedOptions {
  readonly dataDirectory: string;
  /** Default `attune`. */
  readonly schema?: string;
  /** Only for the single executable, which has no package folders; see assets.ts. */
  readonly assets?: EmbeddedAssets;
  readonly logger: Logger;
  readonly clock?: Clock;
}

type Hint = (payload: string | undefined) => void;

const turnMs = 5;

/** The engine, or a transaction in it. */
type Runner = Pick<Transaction, "query" | "exec">;

/**
 * @throws OperatorError DATA_DIRECTORY_IN_USE if another process has the directory open, DATABASE_UNREACHABLE if the
 *   directory cannot be used or this process may not open enough files, DATABASE_DAMAGED if the database does not start
 */
export async function openEmbedded(options: EmbeddedOptions): Promise<Database> {
  const { dataDirectory, schema = "attune", assets, logger, clock = systemClock } = options;
  await using resources = new AsyncDisposableStack();
  const { lock, engine } = await start(dataDirectory, schema, assets);
  resources.use(lock);
  let isClosed = false;
  resources.defer(async () => {
    isClosed = true;
    await engine.close();
  });

  let broken: Error | undefined;
  let othersHadTurnAtMs = performance.now();
  const run = async (runner: Runner, query: Query): Promise<{ rows: object[] }> => {
    if (isClosed) throw new ConnectionError("the embedded database is closed", "nothing-done");
    if (performance.now() - othersHadTurnAtMs > turnMs) {
      await othersTurn();
      othersHadTurnAtMs = performance.now();
    }
    try {
      return await runOn(runner, query);
    } catch (error) {
      // The server itself failed and does not recover in this process.
      if (error instanceof Error && error.name === "RuntimeError") broken = error;
      // The engine attaches the parameters to its errors; they must not reach a log.
      if (error instanceof Error) Reflect.deleteProperty(error, "params");
      throw error;
    }
  };
  const query = (statement: Query): Promise<{ rows: object[] }> => run(engine, statement);
  const transaction = async <T>(work: (transaction: Queryable) => Promise<T>): Promise<T> => {
    if (isClosed) throw new ConnectionError("the embedded database is closed", "nothing-done");
    return engine.transaction((inner) => work({ query: (statement) => run(inner, statement) }));
  };

  const relaxed: Queryable = {
    query: (statement) =>
      transaction(async (inner) => {
        await inner.query({ text: "set local synchronous_commit = off" });
        return inner.query(statement);
      }),
  };

  const hints = new Map<string, Set<Hint>>();
  engine.onNotification((channel, payload) => {
    for (const hint of hints.get(channel) ?? []) hint(payload);
  });

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
    onFailure: (error) => outage.failed({ error }),
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
    async listen(channel, onHint) {
      const hint: Hint = (payload) => onHint(payload);
      const subscribed = hints.get(channel) ?? new Set();
      hints.set(channel, subscribed.add(hint));
      await query({ text: `listen ${quoted(channel)}` });
      hint(undefined);
      return {
        async [Symbol.asyncDispose]() {
          if (!subscribed.delete(hint) || subscribed.size > 0) return;
          hints.delete(channel);
          if (!isClosed) await query({ text: `unlisten ${quoted(channel)}` });
        },
      };
    },
    tryLock: async (name) => takeLock(lockNames, name, () => !isClosed),
    health: () => ({
      state: broken === undefined && !isClosed ? "up" : "down",
      detail:
        broken === undefined
          ? `embedded in ${dataDirectory}`
          : `the embedded database broke: ${broken.message}`,
      checkedAtMs: clock.monotonicMs(),
    }),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

async function start(
  directory: string,
  schema: string,
  assets: EmbeddedAssets | undefined,
): Promise<{ lock: Disposable; engine: PGlite }> {
  demandResources(directory);
  using undo = new DisposableStack();
  try {
    const lock = undo.use(await lockDataDirectory(directory));
    const engine = await startEngine({ directory, schema, assets });
    undo.move();
    return { lock, engine };
  } catch (cause) {
    if (cause instanceof OperatorError) throw cause;
    const attempt = `open the embedded database in ${directory}`;
    throw new OperatorError({ attempt, ...explainEngineFailure(cause, databaseFolder(directory)), cause });
  }
}

async function runOn(runner: Runner, { text, values, name }: Query): Promise<{ rows: object[] }> {
  if (values === undefined && name === undefined) {
    const results = await runner.exec(text);
    return { rows: results.at(-1)?.rows ?? [] };
  }
  return runner.query<object>(text, (values ?? []).map(parameterText));
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

function quoted(identifier: string): string {
  return `"${identifier.replaceAll('"', '""')}"`;
}
