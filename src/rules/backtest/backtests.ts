/**
 * Runs back-tests, each in a thread with bounded memory, at a low priority and on a connection of its own, so that the
 * agent's events, rules and sensors go on undisturbed.
 *
 *     requested ──▶ running (progress …) ──▶ done
 *                      └──▶ aborted by its caller, or failed: the thread is ended with its connection
 */
import { once } from "node:events";
import { getRawAsset, isSea } from "node:sea";
import { Worker, type WorkerOptions } from "node:worker_threads";
import type { Database, Queryable } from "../../database/database.ts";
import { unknownRefText } from "../../database/likely-ref.ts";
import { rowOf } from "../../database/statement.ts";
import { isTriggerKnown, readVersionStart, readWrittenRule } from "../../database/statements/backtests.ts";
import type { ReaderSettings } from "../../database/postgresql/reader.ts";
import { hasCode, messageOf } from "../../errors/caught.ts";
import { isJsonObject, type JsonObject } from "../../model/json/json.ts";
import { parseJson } from "../../model/json/json-text.ts";
import type { BacktestOutcome, BacktestRequest, BacktestStep } from "../../model/rules/backtest-request.ts";
import { compileRule, type RuleText } from "../../model/rules/compiled-rule.ts";
import { PredicateTable } from "../../model/conditions/predicate.ts";
import type { Clock } from "../../time/clock.ts";
import type { BacktestJob } from "./read-events.ts";
import type { WorkerMessage, WorkerRows, WorkerTask } from "./worker.ts";

export interface BacktestsOptions {
  readonly database: Database;
  /** Of the connections of back-tests; null for the embedded database, which has only one. */
  readonly reader: () => ReaderSettings | null;
  readonly clock: Clock;
}

/** MiB of the thread's heap. A page that the embedded database reads takes up to about 50. */
const heapMax = 192;
/** The clock of the database may be behind ours when the rule's version was stored. */
const clockSlackMs = 60_000;

export class Backtests {
  readonly #options: BacktestsOptions;

  constructor(options: BacktestsOptions) {
    this.#options = options;
  }

  /** What there is to run for a request, or why there is nothing. */
  async prepare(request: BacktestRequest): Promise<BacktestOutcome> {
    const { database, clock } = this.#options;
    const { ref, changes, against, since } = request;
    const written = ref === null ? undefined : await rowOf(database, readWrittenRule, { ref });
    if (written === undefined && changes.triggerRef === undefined)
      return {
        kind: "invalid",
        parameter: "rule",
        problem: await unknownRefText(database, "rule", ref ?? ""),
      };
    const { triggerRef } = changes;
    // A misspelt trigger must not read as "nothing matches".
    if (triggerRef !== undefined && (await rowOf(database, isTriggerKnown, { triggerRef })) !== true)
      return {
        kind: "invalid",
        parameter: "trigger_ref",
        problem: await unknownRefText(database, "trigger", triggerRef),
      };
    const draft: RuleText = {
      id: written?.text.id ?? "0",
      ref: ref ?? "draft",
      triggerRef: "",
      actionId: null,
      actionRef: "",
      conditions: null,
      triggerParams: {},
      actionParams: {},
      ...written?.text,
      ...changes,
    };
    const compiled = compileRule(draft, new PredicateTable());
    if (compiled.kind === "invalid") return { kind: "invalid", parameter: "rule", problem: compiled.problem };
    const stored = written?.text.id ?? null;
    if (stored === null && (against === "stored" || since === "change"))
      return {
        kind: "invalid",
        parameter: "rule",
        problem: "is not stored, so there is nothing to compare with",
      };
    const version =
      since === "change" && stored !== null
        ? await rowOf(database, readVersionStart, { rule: stored })
        : undefined;
    if (since === "change" && version === undefined)
      return {
        kind: "invalid",
        parameter: "since",
        problem: "cannot be change: no event was matched by the rule as it is now",
      };
    const from = since === "change" ? (version?.changedAt.getTime() ?? 0) - clockSlackMs : since.getTime();
    const job: BacktestJob = {
      draft,
      live: written?.isEnabled === true ? written.text : null,
      fromMs: from,
      untilMs: Math.min(request.until?.getTime() ?? Infinity, clock.nowMs() + 1_000),
      revisionMin: version?.revision ?? null,
      enforcedRule: against === "stored" ? stored : null,
    };
    if (job.fromMs >= job.untilMs)
      return { kind: "invalid", parameter: "since", problem: "must be before until" };
    const live = written === undefined ? "none" : written.isEnabled ? "enabled" : "disabled";
    return { kind: "ready", live, run: (signal) => this.#run(job, signal) };
  }

  async *#run(job: BacktestJob, signal: AbortSignal): AsyncGenerator<BacktestStep, void, void> {
    const task: WorkerTask = { jobJson: JSON.stringify(job), reader: this.#options.reader() };
    const worker = startThread({
      workerData: task,
      resourceLimits: { maxOldGenerationSizeMb: heapMax, maxYoungGenerationSizeMb: 16 },
      name: "backtest",
    });
    const end = (): void => void worker.terminate();
    signal.addEventListener("abort", end, { once: true });
    try {
      for await (const message of messagesOf(worker)) {
        if (signal.aborted) return;
        switch (message.kind) {
          case "query":
            // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
            worker.postMessage(await this.#rowsFor(message.query));
            break;
          case "progress":
            yield { kind: "progress", events: message.events, createdMs: message.createdMs };
            break;
          case "result":
            yield { kind: "result", result: objectIn(message.json) };
            return;
          case "failure":
            yield { kind: "failed", reason: message.reason };
            return;
        }
      }
      if (!signal.aborted) yield { kind: "failed", reason: "its thread ended" };
    } finally {
      signal.removeEventListener("abort", end);
      await worker.terminate();
    }
  }

  /** The embedded database takes one statement at a time, so a back-test's pages come between those of the agent. */
  async #rowsFor(query: Parameters<Queryable["query"]>[0]): Promise<WorkerRows> {
    try {
      const { rows } = await this.#options.database.query(query);
      return { kind: "rows", rows };
    } catch (error) {
      return { kind: "failure", reason: messageOf(error) };
    }
  }
}

/** In the executable the thread's script is an asset, see build/bundle/bundle.ts. */
function startThread(options: WorkerOptions): Worker {
  if (!isSea()) return new Worker(new URL("./worker.ts", import.meta.url), options);
  const script = Buffer.from(getRawAsset("script/backtest.cjs")).toString("latin1");
  return new Worker(script, { ...options, eval: true });
}

/** Until the thread ends. */
async function* messagesOf(worker: Worker): AsyncGenerator<WorkerMessage, void, void> {
  const waiting: WorkerMessage[] = [];
  let failed: unknown;
  let isEnded = false;
  worker.on("message", (message: WorkerMessage) => void waiting.push(message));
  worker.once("error", (error) => (failed = error));
  worker.once("exit", () => (isEnded = true));
  for (;;) {
    for (let message = waiting.shift(); message !== undefined; message = waiting.shift()) yield message;
    if (failed !== undefined) {
      yield { kind: "failure", reason: reasonOf(failed) };
      return;
    }
    if (isEnded) return;
    const stopped = new AbortController();
    const { signal } = stopped;
    const events = ["message", "error", "exit"].map((event) =>
      once(worker, event, { signal }).catch(() => {}),
    );
    await Promise.race(events);
    stopped.abort();
  }
}

function reasonOf(error: unknown): string {
  if (hasCode(error, "ERR_WORKER_OUT_OF_MEMORY")) return `it needs more than ${heapMax} MiB of memory`;
  return messageOf(error);
}

function objectIn(json: string): JsonObject {
  const value = parseJson(json);
  return isJsonObject(value) ? value : {};
}
