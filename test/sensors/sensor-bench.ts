/**
 * A bench for trying sensors on: a real database, real processes, everything else recorded.
 */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { randomUUID } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";
import type { Id } from "../../src/model/identifiers.ts";
import type { AcceptOutcome, AssignmentTerm, IncomingEvent } from "../../src/model/sensors/incoming-event.ts";
import type { JsonObject } from "../../src/model/json/json.ts";
import type { OfferedRuntime } from "../../src/model/runtimes/offered-runtime.ts";
import { startGuard } from "../../src/processes/guard.ts";
import type { FileSystem } from "../../src/sensors/files/file-system.ts";
import { FileWatching } from "../../src/sensors/files/file-watching.ts";
import { fixedSensorLimits, type SensorLimits } from "../../src/sensors/limits.ts";
import type { Platform, SensorAlert } from "../../src/sensors/ports.ts";
import { SensorLauncher } from "../../src/sensors/launch/sensor-launcher.ts";
import type { LogEcho } from "../../src/sensors/report/log-echo.ts";
import { ProcessRecorder } from "../../src/sensors/report/process-recorder.ts";
import { SensorLogs } from "../../src/sensors/report/sensor-logs.ts";
import { SensorManager } from "../../src/sensors/sensor-manager.ts";
import { PollPhases } from "../../src/sensors/sources/poll.ts";
import { systemClock, type Clock } from "../../src/time/clock.ts";
import { insertRule, insertTrigger, insertWorker, query } from "../support/platform-rows.ts";
import { freshDatabase } from "../support/postgres.ts";
import { recordingLogger } from "../support/recording-logger.ts";

const fixtures = fileURLToPath(new URL("../fixtures/sensors", import.meta.url));

export interface ProcessRow {
  readonly status: string;
  readonly pid: number | null;
  readonly failures: number;
  readonly recent_runs: number;
  readonly recent_failures: number;
  readonly exit_code: number | null;
  readonly signal: string | null;
  readonly reason: string | null;
  readonly stderr_excerpt: string | null;
  readonly first_output_at: Date | null;
  readonly last_output_at: Date | null;
  readonly output_interval: number | null;
  readonly longest_silence: number | null;
  readonly next_restart_at: Date | null;
}

export interface NewSensor {
  readonly script?: string;
  readonly entrypoint?: string;
  readonly runtimeRef?: string;
  readonly protocol?: string;
  readonly config?: JsonObject;
  readonly pollInterval?: number;
  readonly timeout?: number;
  readonly successExitCodes?: readonly number[];
  readonly withRule?: boolean;
}

export interface BenchOptions {
  readonly clock?: Clock;
  readonly limits?: Partial<SensorLimits>;
  readonly accept?: (event: IncomingEvent) => Promise<AcceptOutcome>;
  readonly logsDir?: string;
  readonly fileSystem?: FileSystem;
  readonly platform?: Platform;
  readonly logTo?: { readonly files: boolean; readonly echo: LogEcho | undefined };
}

const runtime = (ref: string, name: string, interpreter: string | null): OfferedRuntime => ({
  ref,
  name,
  interpreter,
  interpreterArgs: [],
  version: null,
  executionConfig: {},
});

export async function sensorBench(options: BenchOptions = {}) {
  const fresh = await freshDatabase();
  const { database } = fresh;
  const folder = mkdtempSync(join(tmpdir(), "attune-sensors-"));
  mkdirSync(join(folder, "packs/test"), { recursive: true });
  symlinkSync(fixtures, join(folder, "packs/test/sensors"));
  const instance = randomUUID();
  await insertWorker(database, { name: "bench", instance });
  await insertTrigger(database, "test.happened");

  const held = new Map<Id, AssignmentTerm>();
  const events: IncomingEvent[] = [];
  const alerts: SensorAlert[] = [];
  const stopped: Id[] = [];
  const statuses: string[] = [];
  const counts = {
    linesRejected: 0,
    logLinesLost: 0,
    sensorRestarted: 0,
    filesFound: { watch: 0, rescan: 0 },
  };
  const rescans: string[] = [];
  const runtimes = new Map(
    [
      runtime("core.sensor.shell", "shell", "/bin/sh"),
      runtime("core.sensor.nodejs", "node", process.execPath),
      runtime("core.sensor.native", "native", null),
      runtime("core.sensor.builtin", "builtin", null),
    ].map((each) => [each.ref, each]),
  );
  const pendingRuntimes = new Set<string>();
  const { logger, lines } = recordingLogger();
  const guard = startGuard("ATTUNE_SENSOR_INSTANCE", logger);
  const logsDir = options.logsDir ?? join(folder, "logs");
  const environment = { PATH: process.env["PATH"] ?? "", HOME: "/root" };

  const clock = options.clock ?? systemClock;
  const random = (): number => 0;
  const limits: SensorLimits = {
    ...fixedSensorLimits,
    eventsInFlightMax: 1_000,
    restart: {
      isRestartEnabled: true,
      delayMsFirst: 20,
      delayMsMax: 60_000,
      restartsMax: 3,
      stableAfterMs: 60_000,
    },
    graceMs: 1_000,
    settleMs: 1_000,
    lineBytesMax: 1024 * 1024,
    pollOutputBytesMax: 16 * 1024 * 1024,
    pollEventsMax: 100_000,
    pollIntervalMs: 30_000,
    pollTimeoutMs: 30_000,
    tokenTtlSeconds: 86_400,
    deafAfterMs: 60_000,
    logBytesMax: 100_000,
    logFilesMax: 2,
    ...options.limits,
  };
  const manager = new SensorManager({
    ports: {
      database,
      sink: {
        accept: async (event) => {
          events.push(event);
          return options.accept?.(event) ?? { kind: "stored", eventId: `${events.length}` };
        },
        advance: async () => ({ kind: "stored" }),
      },
      pace: { ease: () => undefined },
      launcher: new SensorLauncher({
        directories: {
          packsBaseDir: join(folder, "packs"),
          runtimeEnvsDir: join(folder, "runtime_envs"),
          artifactsDir: join(folder, "artifacts"),
          statesDir: join(folder, "states"),
          temporaryDir: folder,
        },
        agentVariables: { own: environment, restored: environment },
        passthrough: [],
        logLevel: "info",
        logFormat: "json",
        guard,
        graceMs: limits.graceMs,
        clock,
      }),
      pollPhases: new PollPhases(),
      fileWatching: new FileWatching([folder], options.fileSystem),
      platform: () => options.platform ?? null,
      logs: new SensorLogs({
        workerName: "bench",
        logsDir,
        bytesMax: limits.logBytesMax,
        filesMax: limits.logFilesMax,
        hasFiles: options.logTo?.files ?? true,
        echo: options.logTo?.echo,
        clock,
        onLost: (lost) => (counts.logLinesLost += lost),
      }),
      recorder: new ProcessRecorder({ database, clock, logger, random }),
      metrics: {
        linesRejected: (_ref, count) => (counts.linesRejected += count),
        sensorRestarted: () => (counts.sensorRestarted += 1),
        fileChanged: (foundBy) => (counts.filesFound[foundBy] += 1),
        filesRescanned: (reason) => void rescans.push(reason),
        timerFired: () => {},
        timersSkipped: () => {},
      },
      limits,
      redact: (text) => text.replaceAll("top-secret", "[redacted]"),
      alert: (alert) => void alerts.push(alert),
      onWaiting: () => {},
      onStatus: (ref, status) => void statuses.push(`${ref} ${status}`),
      clock,
      logger,
      random,
    },
    assignments: { held: () => held },
    runtimes: {
      offered: (ref) => {
        const offered = runtimes.get(ref);
        if (offered !== undefined) return { kind: "offered", runtime: offered };
        return pendingRuntimes.has(ref)
          ? { kind: "pending" }
          : { kind: "unavailable", reason: "it is missing" };
      },
    },
    intervalMs: 60_000,
    onStopped: (sensorId) => void stopped.push(sensorId),
  });

  const rowOf = async (sensorId: Id): Promise<ProcessRow | undefined> =>
    (await query<ProcessRow>(database, "select * from sensor_process where sensor = $1", [sensorId]))[0];

  return {
    database,
    folder,
    manager,
    guard,
    held,
    events,
    alerts,
    stopped,
    lines,
    warnings: () => lines.flatMap(({ level, message }) => (level === "info" ? [] : [message])),
    statuses,
    counts,
    rescans,
    runtimes,
    /** Refs that nobody has looked for yet. */
    pendingRuntimes,
    term: { generation: "1", instance },
    payloads: () => events.map((event) => event.payload),

    /** Inserts a sensor with an enabled rule and assigns it to this worker; the caller wakes. */
    async add(ref: string, sensor: NewSensor): Promise<Id> {
      const [row] = await query<{ id: Id }>(
        database,
        `insert into sensor (ref, pack_ref, entrypoint, runtime_ref, trigger, trigger_ref, protocol, config,
                             poll_interval, timeout, success_exit_codes)
         values ($1, 'test', $2, $3, (select id from trigger where ref = 'test.happened'), 'test.happened', $4, $5, $6, $7, $8)
         returning id`,
        [
          ref,
          sensor.entrypoint ?? "script.sh",
          sensor.runtimeRef ?? "core.sensor.shell",
          sensor.protocol ?? "stream",
          JSON.stringify({ script: sensor.script ?? "", ...sensor.config }),
          sensor.pollInterval ?? null,
          sensor.timeout ?? null,
          sensor.successExitCodes ?? [0],
        ],
      );
      if (row === undefined) throw new Error("no sensor was inserted");
      if (sensor.withRule !== false) {
        const [rules] = await query<{ count: string }>(database, "select count(*) from rule");
        if (rules?.count === "0")
          await insertRule(database, { ref: "test.rule", triggerRef: "test.happened" });
      }
      held.set(row.id, { generation: "1", instance });
      return row.id;
    },

    rowOf,

    /** Waits until the sensor's row looks like that, and returns it. */
    async rowMatching(
      sensorId: Id,
      expected: Partial<Record<keyof ProcessRow, unknown>>,
    ): Promise<ProcessRow> {
      await expect.poll(() => rowOf(sensorId), { timeout: 10_000 }).toMatchObject(expected);
      const row = await rowOf(sensorId);
      if (row === undefined) throw new Error("the row is gone");
      return row;
    },

    log: (ref: string): Promise<string> => readFile(join(logsDir, `${ref}.log`), "utf8").catch(() => ""),

    async [Symbol.asyncDispose]() {
      await manager.stop();
      await guard[Symbol.asyncDispose]();
      await fresh[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
