/**
 * A sensor's own log: `{logs_dir}/{sensor_ref}.log`, each line with its time, rotated by size. Depending on the
 * configuration, lines of the sensor or of a program that works for it go to the agent's log as well, or instead. The
 * agent's own remarks are in its log in any case.
 *
 * Writing never waits and never fails: lines are queued (bounded) and appended by one write at a time. On a full, slow
 * or read-only disk lines are lost. They are counted, a warning is logged once until the disk works again, and then the
 * log itself says how many are missing.
 */
import { appendFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { hasCode, messageOf } from "../../errors/caught.ts";
import { makeDirectory } from "../../files/make-directory.ts";
import { counted } from "../../model/texts/counted.ts";
import { onOneLine } from "../../model/texts/quoted-text.ts";
import type { Logger } from "../../telemetry/logger.ts";
import type { Clock } from "../../time/clock.ts";
import type { SensorEcho } from "./log-echo.ts";
import type { MemoryLog } from "./memory-log.ts";
import { sensorFileName } from "../sensor-file-name.ts";

export interface SensorLogOptions {
  readonly logsDir: string;
  readonly sensorRef: string;
  readonly bytesMax: number;
  readonly filesMax: number;
  /** Keeps lines in memory; undefined to keep them in files. */
  readonly memory: MemoryLog | undefined;
  /** Copies lines to the agent's log; undefined if they do not go there. */
  readonly echo: SensorEcho | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly onLost: (lines: number) => void;
  /** There is more to read. */
  readonly onWritten: () => void;
}

const queueBytesMax = 1024 * 1024;

export class SensorLog {
  readonly #options: SensorLogOptions;
  readonly #file: string;
  #queue: string[] = [];
  #queueBytes = 0;
  /** Not yet reported in the log itself. */
  #linesLost = 0;
  #isFailing = false;
  #writing: Promise<void> | undefined;
  #sizeBytes: number | undefined;

  constructor(options: SensorLogOptions) {
    this.#options = options;
    this.#file = logFileOf(options.logsDir, options.sensorRef);
  }

  /** Lines that the sensor, or a program that works for it, wrote to stderr. */
  writeOutput(output: readonly string[]): void {
    // A failure of a server or library, quoted among the output, may have several lines.
    const lines = output.map((line) => (line.includes("\n") ? onOneLine(line) : line));
    this.#write(lines);
    this.#options.echo?.write(lines);
  }

  /** Remarks of the agent. They may quote anything. */
  write(remarks: readonly string[]): void {
    this.#write(remarks.map(onOneLine));
  }

  #write(lines: readonly string[]): void {
    const { memory, clock, onWritten } = this.#options;
    const time = new Date(clock.nowMs()).toISOString();
    if (memory !== undefined) {
      for (const line of lines) memory.push(`${time} ${line}`);
      onWritten();
      return;
    }
    let lost = 0;
    for (const line of lines) {
      const entry = `${time} ${line}\n`;
      if (this.#queueBytes + entry.length > queueBytesMax) {
        lost += 1;
        continue;
      }
      this.#queue.push(entry);
      this.#queueBytes += entry.length;
    }
    if (lost > 0) this.#lose(lost, "it cannot be written as fast as the sensor writes");
    this.#writing ??= this.#writeAll();
  }

  /** Resolves once everything written before has been appended or lost. */
  async flushed(): Promise<void> {
    this.#options.echo?.tellLeftOut();
    await this.#writing;
  }

  async #writeAll(): Promise<void> {
    while (this.#queue.length > 0) {
      const entries = this.#queue;
      this.#queue = [];
      this.#queueBytes = 0;
      try {
        await this.#append(entries.join(""));
        this.#isFailing = false;
      } catch (error) {
        this.#sizeBytes = undefined;
        this.#lose(entries.length, messageOf(error));
      }
    }
    this.#writing = undefined;
  }

  async #append(text: string): Promise<void> {
    const { logsDir, bytesMax } = this.#options;
    if (this.#sizeBytes === undefined) {
      await makeDirectory(logsDir);
      this.#sizeBytes = await stat(this.#file).then(
        ({ size }) => size,
        () => 0,
      );
    }
    const missing = this.#linesLost;
    const whole =
      missing === 0
        ? text
        : `(${counted(missing, "line")} ${missing === 1 ? "is" : "are"} missing here)\n${text}`;
    const bytes = Buffer.byteLength(whole);
    if (this.#sizeBytes > 0 && this.#sizeBytes + bytes > bytesMax) {
      await this.#rotate();
      this.#sizeBytes = 0;
    }
    await appendFile(this.#file, whole, { mode: 0o640 });
    this.#sizeBytes += bytes;
    this.#linesLost -= missing;
    this.#options.onWritten();
  }

  /** sensor.log → sensor.log.1 → …; the oldest is deleted. */
  async #rotate(): Promise<void> {
    const { filesMax } = this.#options;
    if (filesMax === 0) return rm(this.#file, { force: true });
    for (let number = filesMax - 1; number >= 1; number -= 1) {
      await renameIfThere(`${this.#file}.${number}`, `${this.#file}.${number + 1}`);
    }
    await renameIfThere(this.#file, `${this.#file}.1`);
  }

  #lose(lines: number, reason: string): void {
    const { logger, onLost } = this.#options;
    this.#linesLost += lines;
    onLost(lines);
    if (this.#isFailing) return;
    this.#isFailing = true;
    logger.warn(
      { file: this.#file, reason },
      "lines of a sensor's log are being lost; the sensor keeps running",
    );
  }
}

async function renameIfThere(from: string, to: string): Promise<void> {
  await rename(from, to).catch((error: unknown) => {
    if (!hasCode(error, "ENOENT")) throw error;
  });
}

/** The current file; rotated ones have `.1`, `.2` … appended to its name. */
export function logFileOf(logsDir: string, sensorRef: string): string {
  return join(logsDir, `${sensorFileName(sensorRef)}.log`);
}
