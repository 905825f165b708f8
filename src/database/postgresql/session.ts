/**
 * The one connection that must not be shared, nor replaced unnoticed, because subscriptions and session locks belong to it.
 *
 *     connecting ──answered──▶ established ──lost──▶ waiting ──backoff over──▶ connecting
 *          └──────────failed──────────────────────────▲
 *
 * Established: the session listens to every channel again, and every listener has been called once, because
 * notifications may have been missed. Lost: every lock is gone, whether or not the server has noticed yet, and its
 * HeldLock reports so before anything else happens.
 *
 * A dead socket may report nothing. So the session sends a heartbeat when it has had no answer for `heartbeatMs`, and is
 * lost when a heartbeat or another statement has no answer for as long again. The renewal of leases runs here, too: it
 * replaces the heartbeat and proves that notifications arrive. Meanwhile the session seldom looks whether a heartbeat is
 * needed. So a lost lock or subscription is detected after at most two heartbeats, and after at most six if the renewals
 * have just ended.
 */
import { Client, escapeIdentifier, escapeLiteral } from "pg";
import { Changes } from "../../concurrency/changes.ts";
import { settlesWithin } from "../../concurrency/settles-within.ts";
import { errorOf } from "../../errors/caught.ts";
import { backoffDelayMs } from "../../model/sensors/backoff.ts";
import type { Clock } from "../../time/clock.ts";
import type { HeldLock, Query } from "../database.ts";
import { ConnectionError, endsConnection } from "../errors.ts";
import type { PreparedConnection } from "./connection.ts";
import type { RowSecurity } from "./row-security.ts";
import { Row } from "../statement.ts";

export interface SessionOptions {
  readonly connection: PreparedConnection;
  readonly schema: string;
  readonly heartbeatMs: number;
  readonly rowSecurity: RowSecurity;
  readonly clock: Clock;
  /** Called with undefined at every answer, and with the error at every loss and failed attempt. */
  readonly observe: (failure: Error | undefined) => void;
}

type Hint = (payload: string | undefined) => void;

interface Established {
  readonly client: Client;
  readonly isLost: Promise<Error>;
  readonly lose: (reason: Error) => void;
  /** Set to false for all locks of this connection at once. */
  readonly life: { isAlive: boolean };
}

/** Leases are not renewed meanwhile. */
const backoffLimits = { delayMsFirst: 100, delayMsMax: 2_000 };
const closeTimeoutMs = 2_000;
/** How many heartbeats long the session rests once other statements have replaced one. */
const restHeartbeats = 4;

export class PostgresqlSession {
  readonly #options: SessionOptions;
  readonly #hints = new Map<string, Set<Hint>>();
  readonly #lockNames = new Set<string>();
  #established: Established | undefined;
  #answeredAtMs = -Infinity;
  #isReconnecting = false;
  /** Ends the wait before the next attempt to connect. */
  #hurry = new AbortController();
  /** Attempts to connect that have ended. */
  readonly #attempts = new Changes();
  /** The current statement; the next one waits for it. Never rejects. */
  #previous: Promise<unknown> = Promise.resolve();

  constructor(options: SessionOptions) {
    this.#options = options;
  }

  /** One attempt to connect. */
  async connect(): Promise<void> {
    const { connection, observe, heartbeatMs } = this.#options;
    const client = new Client({ ...connection.config(), query_timeout: heartbeatMs });
    const loss = Promise.withResolvers<Error>();
    const life = { isAlive: true };
    const lose = (reason: Error): void => {
      if (!life.isAlive) return;
      life.isAlive = false;
      this.#lockNames.clear();
      if (this.#established?.client === client) this.#established = undefined;
      observe(reason);
      loss.resolve(reason);
      connection.destroyAll();
    };
    client.on("error", lose);
    client.on("end", () => lose(new Error("the server closed the connection")));
    client.on("notification", ({ channel, payload }) => this.#announce(channel, payload ?? ""));
    try {
      await client.connect();
      this.#established = { client, isLost: loss.promise, lose, life };
      for (const channel of this.#hints.keys())
        await this.#run({ text: `listen ${escapeIdentifier(channel)}` });
    } catch (error) {
      lose(errorOf(error));
      throw error;
    }
    observe(undefined);
    for (const channel of this.#hints.keys()) this.#announce(channel, undefined);
  }

  /** The server's `server_version_num`: 140005 for 14.5. */
  async serverVersion(): Promise<number> {
    const { rows } = await this.#run({
      text: "select current_setting('server_version_num')::int as version",
    });
    return rows[0] === undefined ? 0 : new Row("server_version", rows[0]).number("version");
  }

  /** The server process that serves this session. */
  async backendPid(): Promise<number> {
    const { rows } = await this.#run({ text: "select pg_backend_pid() as pid" });
    return rows[0] === undefined ? 0 : new Row("backend_pid", rows[0]).number("pid");
  }

  /** Keeps the session established until the signal aborts, then closes it. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, connection } = this.#options;
    let failures = 0;
    signal.addEventListener("abort", () => {
      if (this.#established === undefined) connection.destroyAll(); // Ends an attempt in progress.
    });
    while (!signal.aborted) {
      const established = this.#established;
      if (established !== undefined) {
        await this.#watch(established, signal);
        continue;
      }
      this.#hurry = new AbortController();
      this.#isReconnecting = true;
      if (failures > 0) {
        const delayMs = backoffDelayMs(failures, backoffLimits, Math.random());
        await clock.sleep(delayMs, AbortSignal.any([signal, this.#hurry.signal]));
        if (signal.aborted) break;
      }
      try {
        await this.connect();
        failures = 0;
      } catch {
        failures += 1; // connect has reported the reason to the observer.
      }
      this.#isReconnecting = false;
      this.#attempts.note();
    }
    this.#isReconnecting = false;
    this.#attempts.note();
    await this.#close();
  }

  /** Runs a statement that waits for nothing; others on this session wait for it. Connects first if there is no connection. */
  async query(query: Query): Promise<{ rows: object[] }> {
    if (this.#established === undefined && this.#isReconnecting) {
      this.#hurry.abort("needed now");
      await this.#attempts.next();
    }
    return await this.#run(query);
  }

  async listen(channel: string, onHint: Hint): Promise<AsyncDisposable> {
    const hints = this.#hints.get(channel) ?? new Set();
    this.#hints.set(channel, hints);
    // Wrapped, so that a function subscribed twice has two subscriptions.
    const hint: Hint = (payload) => onHint(payload);
    hints.add(hint);
    try {
      await this.#run({ text: `listen ${escapeIdentifier(channel)}` });
      hint(undefined);
    } catch (error) {
      // Without a connection, the next one subscribes.
      if (!(error instanceof ConnectionError)) {
        hints.delete(hint);
        throw error;
      }
    }
    return {
      [Symbol.asyncDispose]: async () => {
        if (!hints.delete(hint) || hints.size > 0) return;
        this.#hints.delete(channel);
        await this.#run({ text: `unlisten ${escapeIdentifier(channel)}` }).catch(() => {}); // A lost session listens to nothing.
      },
    };
  }

  async tryLock(name: string): Promise<HeldLock | undefined> {
    // The server lets a session take its own lock again, but two holders here must exclude each other too.
    if (this.#lockNames.has(name)) return undefined;
    this.#lockNames.add(name);
    const key = `hashtextextended(${escapeLiteral(`${this.#options.schema}:${name}`)}, 0)`;
    let isTaken = false;
    try {
      const life = this.#established?.life;
      const { rows } = await this.#run({ text: `select pg_try_advisory_lock(${key}) as is_taken` });
      isTaken = rows[0] !== undefined && new Row("try_lock", rows[0]).boolean("is_taken");
      if (!isTaken || life === undefined) return undefined;

      let isReleased = false;
      return {
        get isHeld() {
          return life.isAlive && !isReleased;
        },
        [Symbol.asyncDispose]: async () => {
          if (isReleased) return;
          isReleased = true;
          if (!life.isAlive) return;
          await this.#run({ text: `select pg_advisory_unlock(${key})` }).catch(() => {}); // If the session is lost, so is the lock.
          if (life.isAlive) this.#lockNames.delete(name);
        },
      };
    } finally {
      if (!isTaken) this.#lockNames.delete(name);
    }
  }

  async #watch({ isLost, life }: Established, signal: AbortSignal): Promise<void> {
    const { clock, heartbeatMs } = this.#options;
    const rest = new AbortController();
    void isLost.then(() => rest.abort());
    const ended = AbortSignal.any([signal, rest.signal]);
    const isSilent = (): boolean => clock.monotonicMs() - this.#answeredAtMs >= heartbeatMs;
    while (life.isAlive && !signal.aborted) {
      await clock.sleep(Math.max(this.#answeredAtMs + heartbeatMs - clock.monotonicMs(), 1), ended);
      while (!isSilent() && !ended.aborted) await clock.sleep(restHeartbeats * heartbeatMs, ended);
      if (ended.aborted) return;
      await this.#run({ text: "select 1" }).catch(() => {}); // The loss has been reported.
    }
  }

  /** Runs one statement at a time. Any failure except a refusal by the server means that the session is lost. */
  #run(query: Query): Promise<{ rows: object[] }> {
    const result = this.#previous.then(async () => {
      const established = this.#established;
      if (established === undefined)
        throw new ConnectionError("the session is not connected", "nothing-done");
      try {
        const answer = await this.#send(established.client, query);
        this.#noteAnswer();
        return answer;
      } catch (error) {
        if (!(error instanceof Error) || !endsConnection(error)) {
          this.#noteAnswer();
          throw error;
        }
        established.lose(error);
        const message = `the session was lost: ${error.message}`;
        throw new ConnectionError(message, "unknown", error, { hadWorked: true });
      }
    });
    this.#previous = result.catch(() => {});
    return result;
  }

  /** Once more if row security was in the way and no longer is. */
  async #send(client: Client, query: Query): Promise<{ rows: object[] }> {
    const { rowSecurity } = this.#options;
    const sendOnce = async (next: Query): Promise<{ rows: object[] }> => await client.query<object>(next);
    let answer: { rows: object[] };
    try {
      answer = await sendOnce(query);
    } catch (error) {
      if (!rowSecurity.noteFailure(query, error) || !(await rowSecurity.judgeAnew(sendOnce))) throw error;
      answer = await sendOnce(query);
    }
    rowSecurity.noteAnswer(query);
    return answer;
  }

  #noteAnswer(): void {
    const { clock, observe } = this.#options;
    this.#answeredAtMs = clock.monotonicMs();
    observe(undefined);
  }

  #announce(channel: string, payload: string | undefined): void {
    for (const hint of this.#hints.get(channel) ?? []) hint(payload);
  }

  async #close(): Promise<void> {
    const established = this.#established;
    this.#established = undefined;
    if (established === undefined) return;
    established.life.isAlive = false;
    this.#lockNames.clear();
    if (!(await settlesWithin(established.client.end(), closeTimeoutMs)))
      this.#options.connection.destroyAll();
  }
}
