/** Reading a sensor's log page by page, wherever it is kept. */

/** A place in a log from which to read on. */
export interface LogPosition {
  /** The file or buffer; "" before there is any. */
  readonly source: string;
  /** In bytes of a file, in lines of a buffer. */
  readonly offset: number;
  /** When the last line read was written, as logs have it; "" before the first. Where the source is gone, reading goes on by it. */
  readonly time: string;
}

export interface LogPage {
  readonly lines: readonly string[];
  readonly position: LogPosition;
}

/** A page of the log that one worker keeps. */
export interface WorkerLogPage extends LogPage {
  readonly workerName: string;
}

export type LogRequest =
  /** The last lines. */
  | { readonly kind: "tail"; readonly lines: number }
  /** What follows a page, waiting for it if there is nothing yet. */
  | {
      readonly kind: "after";
      readonly position: LogPosition;
      /** Where that page came from. */
      readonly workerName: string;
      readonly waitMs: number;
    };

export const logStart: LogPosition = { source: "", offset: 0, time: "" };

/** Of one page's lines; the first line may be longer. */
export const logPageBytesMax = 256 * 1024;
export const logTailMax = 5_000;

/** Stands for lines that are no longer kept. */
export const missingLinesNote = "(lines are missing here)";

const timed = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) /;

export interface LogEntry {
  /** Null: a remark of the log itself. */
  readonly time: string | null;
  readonly text: string;
}

export function logEntry(line: string): LogEntry {
  const time = timed.exec(line)?.[1] ?? null;
  return { time, text: time === null ? line : line.slice(time.length + 1) };
}

/** When the last of the lines was written, or `before` if none has a time. */
export function lastTime(lines: readonly string[], before: string): string {
  return lines.reduce((time, line) => logEntry(line).time ?? time, before);
}

/** The lines from the first that was written later on. */
export function linesAfter(lines: readonly string[], time: string): readonly string[] {
  const first = lines.findIndex((line) => (logEntry(line).time ?? "") > time);
  return first === -1 ? [] : lines.slice(first);
}
