/**
 * The server of the embedded database, started again after it has ended itself, as it does on a full disk.
 *
 * It runs on the main thread, so while it computes nothing else runs. The engine never yields to the event loop, so
 * consecutive statements would starve timers and sockets; therefore, every few milliseconds, a statement first yields.
 *
 * States:
 *
 * - running: statements go to the engine.
 * - ended: a statement found that the server has ended itself. Its files are closed, every statement fails at once, and
 *   engines are started on the same directory, ever more rarely, until one runs; it recovers what was committed. The next state is
 *   running.
 * - closed: for good, from either state.
 *
 * Invariants:
 *
 * - At most one engine has the directory's files open.
 * - A statement is sent to one engine at most. Those that the end of a server interrupts fail as `unknown`, because the
 *   commit may be on disk.
 */
import type { Transaction } from "@electric-sql/pglite";
import { setImmediate as othersTurn } from "node:timers/promises";
import { WakeableLoop, wokenIntervalMs } from "../../concurrency/wakeable-loop.ts";
import { errorOf } from "../../errors/caught.ts";
import { OperatorError } from "../../errors/operator-error.ts";
import { backoffDelayMs } from "../../model/sensors/backoff.ts";
import type { Logger } from "../../telemetry/logger.ts";
import { OutageLog } from "../../telemetry/outage-log.ts";
import type { PartHealth } from "../../telemetry/part-health.ts";
import type { Clock } from "../../time/clock.ts";
import type { Query, Queryable } from "../database.ts";
import { ConnectionError } from "../errors.ts";
import { Channels } from "./channels.ts";
import type { Engine } from "./engine.ts";
import { parameterText } from "./parameters.ts";
import type { ServerEnded } from "./server-end.ts";

export interface EmbeddedServerOptions {
  /** For messages. */
  readonly dataDirectory: string;
  /** Starts an engine on the directory, whose files no other has open. */
  readonly start: () => Promise<Engine>;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** The engine, or a transaction in it. */
type Runner = Pick<Transaction, "query" | "exec">;

type State =
  | { readonly engine: Engine }
  /** With the reason. */
  | { readonly engine: undefined; readonly failure: Error };

const turnMs = 5;

/** Each start computes for about a second, in which nothing else runs. */
const pauseLimits = { delayMsFirst: 5_000, delayMsMax: 60_000 };
/** A server that ends itself sooner after its start is no better than one that does not start. */
const stableMs = 60_000;

export class EmbeddedServer implements Queryable, AsyncDisposable {
  readonly #options: EmbeddedServerOptions;
  readonly #outage: OutageLog;
  readonly #restarts: WakeableLoop;
  readonly #stop = new AbortController();
  readonly #restartsEnd: Promise<void>;
  readonly #channels = new Channels();
  #state: State;
  #isClosed = false;
  /** Starts since a server last ran for long. */
  #starts = 0;
  #startedAtMs: number;
  #nextStartAtMs = 0;
  #othersHadTurnAtMs = performance.now();

  /** @throws what `start` throws */
  static async open(options: EmbeddedServerOptions): Promise<EmbeddedServer> {
    return new EmbeddedServer(options, await options.start());
  }

  private constructor(options: EmbeddedServerOptions, engine: Engine) {
    const { logger, clock } = options;
    this.#options = options;
    this.#startedAtMs = clock.monotonicMs();
    this.#state = { engine };
    this.#passOnNotifications(engine);
    this.#outage = new OutageLog(
      {
        begins: "the embedded database ended itself; starting it again until it runs",
        ends: "the embedded database runs again",
      },
      { logger, clock },
    );
    this.#restarts = new WakeableLoop({
      step: (signal) => this.#restartIfEnded(signal),
      intervalMs: wokenIntervalMs,
      retryDelayMs: () => 0,
      onFailure: (error) => {
        this.#outage.failed({ error });
        this.#state = { engine: undefined, failure: errorOf(error) };
      },
      clock,
    });
    this.#restartsEnd = this.#restarts.run(this.#stop.signal);
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** @throws the server's own error, or ConnectionError without a server */
  async query(query: Query): Promise<{ rows: object[] }> {
    const engine = this.#running();
    return this.#run(engine, engine.server, query);
  }

  /** See Database.transaction. */
  async transaction<T>(work: (transaction: Queryable) => Promise<T>): Promise<T> {
    const engine = this.#running();
    return this.#noticingEnd(engine, () =>
      engine.server.transaction((inner) => work({ query: (query) => this.#run(engine, inner, query) })),
    );
  }

  /** See Database.listen. */
  async listen(channel: string, onHint: (payload: string | undefined) => void): Promise<AsyncDisposable> {
    return this.#channels.listen(this, channel, onHint);
  }

  health(): PartHealth {
    const { dataDirectory, clock } = this.#options;
    const checkedAtMs = clock.monotonicMs();
    if (this.#state.engine === undefined) {
      const seconds = Math.max(Math.ceil((this.#nextStartAtMs - checkedAtMs) / 1_000), 0);
      const detail = `${this.#state.failure.message}; start ${this.#starts + 1} follows in ${seconds} s`;
      return { state: "down", detail, checkedAtMs };
    }
    return { state: this.#isClosed ? "down" : "up", detail: `embedded in ${dataDirectory}`, checkedAtMs };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#stop.abort();
    await this.#restartsEnd;
    await this.#state.engine?.server.close();
  }

  #running(): Engine {
    if (this.#isClosed) throw new ConnectionError("the embedded database is closed", "nothing-done");
    if (this.#state.engine !== undefined) return this.#state.engine;
    const { failure } = this.#state;
    throw new ConnectionError(failure.message, "nothing-done", failure);
  }

  async #run(engine: Engine, runner: Runner, query: Query): Promise<{ rows: object[] }> {
    if (performance.now() - this.#othersHadTurnAtMs > turnMs) {
      await othersTurn();
      this.#othersHadTurnAtMs = performance.now();
    }
    return this.#noticingEnd(engine, () => runOn(runner, query));
  }

  async #noticingEnd<T>(engine: Engine, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      const end = engine.end();
      if (end === undefined || error instanceof ConnectionError) throw error;
      const failure = this.#leave(engine, end);
      throw new ConnectionError(failure.message, "unknown", failure);
    }
  }

  /** The transition to `ended`. Several statements may notice one end. */
  #leave(engine: Engine, end: ServerEnded): OperatorError {
    const failure = new OperatorError({
      code: "DATABASE_UNREACHABLE",
      attempt: `use the embedded database in ${this.#options.dataDirectory}`,
      reason: `its server ended itself: ${end.message}`,
      remedy:
        "solve that problem, for example make room on the disk; the agent keeps restarting the server, and nothing committed is lost",
      cause: end,
    });
    if (this.#state.engine !== engine) return failure;
    engine.abandon();
    if (this.#options.clock.monotonicMs() - this.#startedAtMs >= stableMs) this.#starts = 0;
    this.#state = { engine: undefined, failure };
    this.#outage.failed({ error: failure });
    this.#restarts.wake();
    return failure;
  }

  /** The transition to `running`. */
  async #restartIfEnded(signal: AbortSignal): Promise<void> {
    if (this.#state.engine !== undefined) return;
    const { start, clock } = this.#options;
    // Without chance: nobody else starts one.
    const pauseMs = backoffDelayMs(this.#starts + 1, pauseLimits, 0);
    this.#nextStartAtMs = clock.monotonicMs() + pauseMs;
    await clock.sleep(pauseMs, signal);
    if (signal.aborted) return;
    this.#starts += 1;
    const engine = await start();
    try {
      await this.#channels.listenAgain({ query: (query) => runOn(engine.server, query) });
    } catch (error) {
      engine.abandon();
      throw error;
    }
    this.#passOnNotifications(engine);
    this.#startedAtMs = clock.monotonicMs();
    this.#state = { engine };
    this.#outage.recovered();
    this.#channels.notifyOfGap();
  }

  #passOnNotifications({ server }: Engine): void {
    server.onNotification((channel, payload) => this.#channels.notify(channel, payload));
  }
}

async function runOn(runner: Runner, { text, values, name }: Query): Promise<{ rows: object[] }> {
  try {
    if (values === undefined && name === undefined) {
      const results = await runner.exec(text);
      return { rows: results.at(-1)?.rows ?? [] };
    }
    return await runner.query<object>(text, (values ?? []).map(parameterText));
  } catch (error) {
    // The engine attaches the parameters to its errors; they must not reach a log.
    if (error instanceof Error) Reflect.deleteProperty(error, "params");
    throw error;
  }
}
