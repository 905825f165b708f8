/**
 * Writes the state of sensors to the table sensor_process.
 *
 * Only the latest report of each sensor is kept until it is written, and one statement writes them all. So a slow or
 * unreachable database does not delay a sensor, and memory stays bounded. A sensor that somebody else has locked does not
 * delay the reports of the others.
 */
import { wokenIntervalMs, type WakeableLoop } from "../../concurrency/wakeable-loop.ts";
import type { Database } from "../../database/database.ts";
import { rowsOf } from "../../database/statement.ts";
import {
  writeSensorReports,
  type ProcessReport,
  type SensorReport,
} from "../../database/statements/sensor-process.ts";
import type { Id } from "../../model/identifiers.ts";
import type { Logger } from "../../telemetry/logger.ts";
import { reportedLoop } from "../../telemetry/reported-loop.ts";
import type { Clock } from "../../time/clock.ts";

export interface ProcessRecorderOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: () => number;
}

/** Batches the reports of sensors that poll every second or keep crashing into one small write. */
const pauseMs = 100;
/** How soon a report on a locked sensor is tried again. */
const lockedPauseMs = 1_000;
const retry = { delayMsFirst: 500, delayMsMax: 10_000 };

export class ProcessRecorder {
  readonly #database: Database;
  readonly #clock: Clock;
  readonly #loop: WakeableLoop;
  readonly #unwritten = new Map<Id, SensorReport>();

  constructor({ database, clock, logger, random }: ProcessRecorderOptions) {
    this.#database = database;
    this.#clock = clock;
    this.#loop = reportedLoop(
      {
        texts: {
          begins: "could not write the state of sensors; trying again",
          ends: "the state of sensors is written again",
        },
        step: async (signal) => {
          await this.flush();
          await clock.sleep(pauseMs, signal);
        },
        intervalMs: () => (this.#unwritten.size > 0 ? lockedPauseMs : wokenIntervalMs),
        retry,
      },
      { logger, clock, random },
    );
  }

  /** @param instance the instance that runs the sensor */
  record(sensorId: Id, instance: string, report: ProcessReport): void {
    this.#unwritten.set(sensorId, { ...report, sensorId, instance });
    this.#loop.wake();
  }

  /** Writes pending reports; reports that cannot be written stay pending. */
  async flush(): Promise<void> {
    const reports = [...this.#unwritten.values()];
    if (reports.length === 0) return;
    this.#unwritten.clear();
    try {
      const written = { reports, nowMs: this.#clock.nowMs() };
      const locked = await rowsOf(this.#database.relaxed, writeSensorReports, written);
      const lockedIds = new Set(locked.map(({ sensorId }) => sensorId));
      this.#keep(reports.filter(({ sensorId }) => lockedIds.has(sensorId)));
    } catch (error) {
      this.#keep(reports);
      throw error;
    }
  }

  /** Unless newer ones have come. */
  #keep(reports: readonly SensorReport[]): void {
    for (const report of reports) {
      if (!this.#unwritten.has(report.sensorId)) this.#unwritten.set(report.sensorId, report);
    }
  }

  async run(signal: AbortSignal): Promise<void> {
    await this.#loop.run(signal);
  }
}
