/** Where the logs of all sensors of a worker go, and reading them. */
import { Changes } from "../../concurrency/changes.ts";
import {
  linesAfter,
  logStart,
  missingLinesNote,
  type LogPage,
  type LogPosition,
  type LogRequest,
  type WorkerLogPage,
} from "../../model/sensors/log-page.ts";
import type { Logger } from "../../telemetry/logger.ts";
import type { Clock } from "../../time/clock.ts";
import type { LogEcho } from "./log-echo.ts";
import { readLogAfter, readLogTail } from "./log-files.ts";
import { MemoryLog } from "./memory-log.ts";
import { logFileOf, SensorLog } from "./sensor-log.ts";

export interface SensorLogsOptions {
  readonly workerName: string;
  readonly logsDir: string;
  /** The size of each file. */
  readonly bytesMax: number;
  /** How many rotated files are kept. */
  readonly filesMax: number;
  /** Whether to write files at all. */
  readonly hasFiles: boolean;
  /** Copies lines to the agent's log; undefined if they do not go there. */
  readonly echo: LogEcho | undefined;
  readonly clock: Clock;
  readonly onLost: (lines: number) => void;
}

/** Logs in memory, of sensors that ran here last. */
const memoryLogsMax = 1_000;
const emptyPage: LogPage = { lines: [], position: logStart };

export class SensorLogs {
  readonly #options: SensorLogsOptions;
  /** In the order in which sensors were first run here. */
  readonly #memory = new Map<string, MemoryLog>();
  /** Of the logs that are waited for, with how many wait. */
  readonly #watched = new Map<string, { readonly changes: Changes; count: number }>();

  constructor(options: SensorLogsOptions) {
    this.#options = options;
  }

  /** @param logger names the sensor in each line */
  ofSensor(sensorRef: string, logger: Logger): SensorLog {
    const { logsDir, bytesMax, filesMax, hasFiles, echo, clock, onLost } = this.#options;
    return new SensorLog({
      logsDir,
      sensorRef,
      bytesMax,
      filesMax,
      memory: hasFiles ? undefined : this.#memoryOf(sensorRef),
      echo: echo?.ofSensor(logger),
      clock,
      logger,
      onLost,
      onWritten: () => this.#watched.get(sensorRef)?.changes.note(),
    });
  }

  /** @param signal stops waiting for more lines */
  async read(sensorRef: string, request: LogRequest, signal: AbortSignal): Promise<WorkerLogPage> {
    const { workerName, clock } = this.#options;
    if (request.kind === "tail") return { ...(await this.#tail(sensorRef, request.lines)), workerName };

    const endMs = clock.monotonicMs() + request.waitMs;
    using watch = this.#watch(sensorRef);
    const ending = new AbortController();
    const either = AbortSignal.any([signal, ending.signal]);
    try {
      for (;;) {
        // Begun before reading, so that a line written meanwhile ends the wait.
        const leftMs = Math.max(endMs - clock.monotonicMs(), 0);
        const changed = watch.changes.nextWithin(leftMs, clock, either);
        const page = await this.#after(sensorRef, request.position, request.workerName);
        const isOver = clock.monotonicMs() >= endMs || signal.aborted;
        if (page.lines.length > 0 || isOver) return { ...page, workerName };
        await changed;
      }
    } finally {
      ending.abort("answered");
    }
  }

  async #tail(sensorRef: string, count: number): Promise<LogPage> {
    if (!this.#options.hasFiles) return this.#memory.get(sensorRef)?.tail(count) ?? emptyPage;
    return readLogTail(this.#filesOf(sensorRef), count);
  }

  async #after(sensorRef: string, position: LogPosition, workerName: string): Promise<LogPage> {
    const page = this.#options.hasFiles
      ? await readLogAfter(this.#filesOf(sensorRef), position)
      : this.#memory.get(sensorRef)?.after(position);
    if (page !== undefined) return page;
    // Another worker's log, or rotated away: only the time of its lines says where to go on.
    const tail = await this.#tail(sensorRef, Number.POSITIVE_INFINITY);
    const lines = linesAfter(tail.lines, position.time);
    const isSomeMissing =
      workerName === this.#options.workerName && position.source !== "" && lines.length === tail.lines.length;
    const time = tail.position.time > position.time ? tail.position.time : position.time;
    return {
      lines: isSomeMissing && lines.length > 0 ? [missingLinesNote, ...lines] : lines,
      position: { ...tail.position, time },
    };
  }

  /** The newest first. */
  #filesOf(sensorRef: string): readonly string[] {
    const { logsDir, filesMax } = this.#options;
    const file = logFileOf(logsDir, sensorRef);
    return [file, ...Array.from({ length: filesMax }, (_, index) => `${file}.${index + 1}`)];
  }

  #memoryOf(sensorRef: string): MemoryLog {
    const known = this.#memory.get(sensorRef);
    if (known !== undefined) return known;
    const log = new MemoryLog();
    this.#memory.set(sensorRef, log);
    const [oldest = ""] = this.#memory.keys();
    if (this.#memory.size > memoryLogsMax) this.#memory.delete(oldest);
    return log;
  }

  #watch(sensorRef: string): Disposable & { readonly changes: Changes } {
    const watched = this.#watched.get(sensorRef) ?? { changes: new Changes(), count: 0 };
    this.#watched.set(sensorRef, watched);
    watched.count += 1;
    return {
      changes: watched.changes,
      [Symbol.dispose]: () => {
        watched.count -= 1;
        if (watched.count === 0) this.#watched.delete(sensorRef);
      },
    };
  }
}
