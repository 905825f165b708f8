/**
 * Writes log lines synchronously to a file descriptor. Failures lose lines but never stop the process.
 *
 * A line is written when the call returns, so a crashing process's last lines are not lost. If the reader is
 * slow and the pipe is non-blocking (EAGAIN), the service does not wait: up to `queueBytesMax` are queued and
 * the rest is dropped. If the reader is gone (EPIPE) or the disk is full (ENOSPC), lines are dropped. The next
 * line written reports how many were lost.
 */
import { writeSync } from "node:fs";
import { hasCode } from "../errors/caught.ts";

const queueBytesMax = 1_048_576;
const retryMs = 100;

/** Writes some of the bytes and returns how many; throws like `fs.writeSync`. */
export type WriteBytes = (bytes: Uint8Array) => number;

export interface LogSink {
  /** @param line including its line feed */
  readonly write: (line: string) => void;
}

export interface LogSinkOptions {
  readonly writeBytes?: WriteBytes;
  /** Makes the line that reports lost lines, in the log's format. */
  readonly describeLost: (lines: number) => string;
}

const toStderr: WriteBytes = (bytes) => writeSync(2, bytes);

export function createLogSink({ writeBytes = toStderr, describeLost }: LogSinkOptions): LogSink {
  let queue: Buffer[] = [];
  let queueBytes = 0;
  let linesLost = 0;
  let retry: NodeJS.Timeout | undefined;

  /** Writes as much of the queue as possible; returns whether it is empty. */
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
        // Unreferenced, because a stalled log must not keep the process alive.
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
      // While a retry is due, trying at every line would waste a system call each.
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
