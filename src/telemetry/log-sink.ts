/**
 * Where log lines go: a file descriptor, written synchronously, whose failure costs lines and never the
 * process.
 *
 * A line has left when the call returns, so the last words of a process that crashes are there. If the
 * reader is slow and somebody made the pipe non-blocking (EAGAIN), the service does not wait for it: up
 * to `queueBytesMax` are kept for later, and what comes beyond is dropped. If the reader is gone (EPIPE)
 * or the disk is full (ENOSPC), lines are dropped. How many were dropped is told in the first line that
 * gets through again.
 */
import { writeSync } from "node:fs";
import { hasCode } from "../errors/caught.ts";

const queueBytesMax = 1_048_576;
const retryMs = 100;

/** Writes some of the bytes and says how many; throws as `fs.writeSync` does. */
export type WriteBytes = (bytes: Uint8Array) => number;

export interface LogSink {
  /** @param line with its line feed */
  readonly write: (line: string) => void;
}

export interface LogSinkOptions {
  readonly writeBytes?: WriteBytes;
  /** The line that tells how many are missing, in the log's own format. */
  readonly describeLost: (lines: number) => string;
}

const toStderr: WriteBytes = (bytes) => writeSync(2, bytes);

export function createLogSink({ writeBytes = toStderr, describeLost }: LogSinkOptions): LogSink {
  let queue: Buffer[] = [];
  let queueBytes = 0;
  let linesLost = 0;
  let retry: NodeJS.Timeout | undefined;

  /** Writes what it can of the queue; says whether nothing is left. */
  function flush(): boolean {
    retry = undefined;
    let rest = queue.length === 1 ? queue[0] : Buffer.concat(queue);
    try {
      while (rest !== undefined && rest.length > 0) rest = rest.subarray(writeBytes(rest));
      keep([]);
      return true;
    } catch (error) {
      if (isBusy(error)) {
        keep(rest === undefined ? [] : [rest]);
        // Unreferenced: a log that nobody reads must not keep the process alive.
        retry = setTimeout(flush, retryMs).unref();
      } else {
        linesLost += countLines(rest);
        keep([]);
      }
      return false;
    }
  }

  function keep(buffers: Buffer[]): void {
    queue = buffers;
    queueBytes = buffers.reduce((sum, { length }) => sum + length, 0);
  }

  function enqueue(line: string): void {
    const bytes = Buffer.from(line);
    if (queueBytes + bytes.length > queueBytesMax) {
      linesLost += 1;
      return;
    }
    queue.push(bytes);
    queueBytes += bytes.length;
  }

  return {
    write(line) {
      enqueue(line);
      // While a retry is due, trying at every line would cost a system call each for nothing.
      if (retry !== undefined || !flush() || linesLost === 0) return;
      const gap = linesLost;
      linesLost = 0;
      enqueue(describeLost(gap));
      flush();
    },
  };
}

function countLines(bytes: Buffer = Buffer.alloc(0)): number {
  return bytes.reduce((count, byte) => (byte === 0x0a ? count + 1 : count), 0);
}

function isBusy(error: unknown): boolean {
  return hasCode(error, "EAGAIN");
}
