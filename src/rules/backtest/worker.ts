/**
 * The thread of a back-test. It has a connection of its own, or asks the thread that started it for rows, because the
 * embedded database has only one. It runs at a low priority, so that the agent's own threads go first.
 */
import { setPriority } from "node:os";
import { parentPort, workerData } from "node:worker_threads";
import type { Query } from "../../database/database.ts";
import { openReader, type Reader, type ReaderSettings } from "../../database/postgresql/reader.ts";
import { messageOf } from "../../errors/caught.ts";
import { parseJson } from "../../model/json/json-text.ts";
import { resultJson } from "./result-json.ts";
import {
  heldPage,
  runBacktest,
  streamedPage,
  type BacktestJob,
  type BacktestProgress,
} from "./read-events.ts";

export interface WorkerTask {
  /** A BacktestJob as JSON: a thread is given only plain values, which numbers with many digits are not. */
  readonly jobJson: string;
  /** Null: rows are read by the thread that started this one. */
  readonly reader: ReaderSettings | null;
}

export type WorkerMessage =
  | { readonly kind: "query"; readonly query: Query }
  | ({ readonly kind: "progress" } & BacktestProgress)
  /** As the API answers it. */
  | { readonly kind: "result"; readonly json: string }
  | { readonly kind: "failure"; readonly reason: string };

/** The answer to a query. */
export type WorkerRows =
  { readonly kind: "rows"; readonly rows: object[] } | { readonly kind: "failure"; readonly reason: string };

const niceness = 10;
const progressMs = 500;

async function run(): Promise<void> {
  // Threads were started with this task by backtests.ts.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  const { jobJson, reader } = workerData as WorkerTask;
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  const job = parseJson(jobJson) as unknown as BacktestJob;
  setOwnPriority();
  let toldAtMs = performance.now();
  const tell = (progress: BacktestProgress): void => {
    if (performance.now() - toldAtMs < progressMs) return;
    toldAtMs = performance.now();
    send({ kind: "progress", ...progress });
  };
  await using database: Reader = reader === null ? askingParent() : await openReader(reader);
  const result = await runBacktest(database, job, reader === null ? heldPage : streamedPage, tell);
  send({ kind: "result", json: JSON.stringify(resultJson(result)) });
}

/** On Linux this is the priority of the calling thread alone. */
function setOwnPriority(): void {
  try {
    setPriority(0, niceness);
  } catch {
    // Where that is forbidden it runs like the others.
  }
}

function askingParent(): Reader {
  return {
    async eachRow(query, onRow) {
      const { promise, resolve } = Promise.withResolvers<WorkerRows>();
      parentPort?.once("message", resolve);
      send({ kind: "query", query });
      const answer = await promise;
      if (answer.kind === "failure") throw new Error(answer.reason);
      for (const row of answer.rows) onRow(Object.values(row));
    },
    [Symbol.asyncDispose]: async () => {},
  };
}

function send(message: WorkerMessage): void {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
  parentPort?.postMessage(message);
}

run().catch((error: unknown) => send({ kind: "failure", reason: messageOf(error) }));
