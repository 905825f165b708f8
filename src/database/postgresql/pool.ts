/**
 * A bounded pool of connections, with the rules for reusing or destroying them.
 *
 * A connection whose statement the server refused is still usable and keeps its prepared statements. One that failed in
 * any other way, including a timeout, is destroyed: its answer may still arrive and would be taken for the next
 * statement's.
 */
import { Client, Pool, Query as SentQuery, type PoolClient, type QueryResult } from "pg";
import { settlesWithin } from "../../concurrency/settles-within.ts";
import { errorOf } from "../../errors/caught.ts";
import type { Query, Queryable } from "../database.ts";
import {
  classifyDatabaseError,
  ConnectionError,
  endsConnection,
  isRowSecurityError,
  type ConnectionOutcome,
} from "../errors.ts";
import type { PreparedConnection } from "./connection.ts";
import type { RowSecurity } from "./row-security.ts";

export interface PoolOptions {
  readonly connection: PreparedConnection;
  readonly connectionsMax: number;
  readonly rowSecurity: RowSecurity;
  /** Called with undefined at every answer, and with every failure that concerns the server. */
  readonly observe: (failure: Error | undefined) => void;
}

const closeTimeoutMs = 2_000;

export class PostgresqlPool implements Queryable, AsyncDisposable {
  readonly #pool: Pool;
  readonly #connection: PreparedConnection;
  readonly #observe: (failure: Error | undefined) => void;
  readonly #connectionsMax: number;
  readonly #rowSecurity: RowSecurity;
  #busyCount = 0;

  constructor({ connection, connectionsMax, rowSecurity, observe }: PoolOptions) {
    this.#connection = connection;
    this.#rowSecurity = rowSecurity;
    this.#connectionsMax = connectionsMax;
    this.#observe = observe;
    // Each connection asks again, because the pool keeps the options it was created with.
    class PreparedClient extends Client {
      constructor() {
        super(connection.config());
      }
    }
    this.#pool = new Pool({
      ...connection.config(),
      Client: PreparedClient,
      max: connectionsMax,
      // One stays open, so that what is asked once a minute does not connect anew each time.
      min: 1,
      idleTimeoutMillis: 60_000,
    });
    this.#pool.on("acquire", () => (this.#busyCount += 1));
    this.#pool.on("release", () => (this.#busyCount -= 1));
    // A broken idle connection is replaced at the next query, which reports any failure.
    this.#pool.on("error", () => {});
    // The pool listens only while a connection is idle. Without this listener, a connection that breaks between two
    // statements of a transaction would end the process. The next statement reports the failure.
    this.#pool.on("connect", (client) => client.on("error", () => {}));
  }

  /** Opens a first connection. The next query reports a failure to connect. */
  async prepare(): Promise<void> {
    const client = await this.#pool.connect().catch(() => undefined);
    client?.release();
  }

  async query(query: Query): Promise<{ rows: object[] }> {
    const client = await this.#checkOut();
    let failure: Error | undefined;
    try {
      return await this.#run(client, query, "unknown");
    } catch (error) {
      failure = asError(error);
      if (!isRowSecurityError(failure) || !(await this.#judgeRowSecurity(client))) throw failure;
      failure = undefined;
      // Once more: row security is no longer in the way.
      return await this.#run(client, query, "unknown").catch((again: unknown) => {
        throw (failure = asError(again));
      });
    } finally {
      client.release(failure !== undefined && endsConnection(failure));
    }
  }

  async transaction<T>(work: (transaction: Queryable) => Promise<T>): Promise<T> {
    const client = await this.#checkOut();
    let isReusable = true;
    let isHindered = false;
    const run = async (query: Query, outcomeIfLost: ConnectionOutcome): Promise<{ rows: object[] }> => {
      try {
        return await this.#run(client, query, outcomeIfLost);
      } catch (error) {
        if (error instanceof ConnectionError) isReusable = false;
        isHindered ||= isRowSecurityError(error);
        throw error;
      }
    };
    try {
      await run({ text: "begin" }, "nothing-done");
      // Until the commit is sent, a lost connection means that nothing was done.
      const result = await work({ query: (query) => run(query, "nothing-done") });
      refuseRolledBack(await run({ text: "commit" }, "unknown"));
      return result;
    } catch (error) {
      // Not on a lost connection: a silent one would delay the report of the failure by a second timeout.
      if (isReusable) await run({ text: "rollback" }, "nothing-done").catch(() => {});
      throw error;
    } finally {
      if (isHindered && isReusable) await this.#judgeRowSecurity(client);
      client.release(!isReusable);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#pool.ending) return;
    if (!(await settlesWithin(this.#pool.end(), closeTimeoutMs))) this.#connection.destroyAll();
  }

  async #judgeRowSecurity(client: PoolClient): Promise<boolean> {
    return await this.#rowSecurity.judgeAnew((query) => this.#run(client, query, "nothing-done"));
  }

  async #checkOut(): Promise<PoolClient> {
    try {
      return await this.#pool.connect();
    } catch (error) {
      const failure = asError(error);
      if (this.#busyCount >= this.#connectionsMax) {
        // Not a failure of the server: this process keeps its own connections busy.
        const all =
          this.#connectionsMax === 1
            ? "the connection for it is"
            : `all ${this.#connectionsMax} connections are`;
        throw new ConnectionError(`no connection: ${all} busy`, "nothing-done");
      }
      const unavailable =
        classifyDatabaseError(failure) === "defect" || endsConnection(failure)
          ? new ConnectionError(`no connection: ${failure.message}`, "nothing-done", failure)
          : failure;
      this.#observe(unavailable);
      throw unavailable;
    }
  }

  async #run(
    client: PoolClient,
    query: Query,
    outcomeIfLost: ConnectionOutcome,
  ): Promise<{ rows: object[] }> {
    try {
      const answer = await answerOf(client, query, query.timeoutMs ?? this.#connection.queryTimeoutMs);
      this.#observe(undefined);
      this.#rowSecurity.noteAnswer(query);
      // Several statements in one text return several results.
      return Array.isArray(answer) ? (answer.at(-1) ?? { rows: [] }) : answer;
    } catch (error) {
      const failure = asError(error);
      // It was made where the answer is read; its trace should show who sent the statement.
      Error.captureStackTrace(failure);
      if (!endsConnection(failure)) {
        this.#observe(undefined);
        this.#rowSecurity.noteFailure(query, failure);
        throw failure;
      }
      const message = `the connection was lost: ${failure.message}`;
      const lost = new ConnectionError(message, outcomeIfLost, failure, { hadWorked: true });
      this.#observe(lost);
      throw lost;
    }
  }
}

type Answer = QueryResult<object> | QueryResult<object>[];

/**
 * As `client.query(query)` does it, but without a copy of the query by property descriptors and a second promise: they
 * were a tenth of what an event that comes alone costs this process.
 *
 * The time limit is kept here, because the driver keeps it by replacing the query's callback. With that, once a query is in
 * V8's old generation, all later ones follow it there with their parameters, and are freed only by a full collection.
 */
function answerOf(client: PoolClient, { name, text, values }: Query, timeoutMs: number): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error("Query read timeout")), timeoutMs);
    const settle = (error: Error | null | undefined, answer: Answer): void => {
      clearTimeout(timer);
      if (error) reject(error);
      else resolve(answer);
    };
    client.query(Object.assign(new SentQuery(text, values, settle), { name }));
  });
}

/** The server answers a commit of a failed transaction with "ROLLBACK" instead of an error. */
function refuseRolledBack(result: { rows: object[]; command?: string }): void {
  if (result.command !== "ROLLBACK") return;
  const message = "the transaction was rolled back, because a statement in it had failed";
  throw Object.assign(new Error(message), { code: "25P02" });
}

function asError(error: unknown): Error {
  return errorOf(error);
}
