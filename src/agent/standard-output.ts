/**
 * Writes a command's output to stdout, and its complaints to stderr, completely before returning. Node's own streams
 * silently drop output to a device, lose queued output when the process exits, and end the process if stderr is closed.
 */
import { writeSync } from "node:fs";
import { hasCode, messageOf } from "../errors/caught.ts";
import { OperatorError } from "../errors/operator-error.ts";

const busyPauseMs = 10;

let isRead = true;

/** Whether standard output has a reader, as far as the last attempt to write has shown. */
export function hasReader(): boolean {
  return isRead;
}

/**
 * A reader that closes the pipe early (`… --detect-only | head -1`) is not a failure: a command that changes something goes
 * on, and one without an end looks at `hasReader`.
 *
 * @throws OperatorError OUTPUT_FAILED when it cannot be written, as on a full disk
 */
export function writeToStandardOutput(text: string): void {
  try {
    writeAll(1, text);
  } catch (error) {
    if (!hasCode(error, "EPIPE")) throw unwritable(error);
    isRead = false;
  }
}

/** Nobody can be told of a failure, and what a command does must not depend on whether anybody reads its complaints. */
export function writeToStandardError(text: string): void {
  try {
    writeAll(2, text);
  } catch {
    // A closed pipe, a full disk.
  }
}

function writeAll(descriptor: number, text: string): void {
  let rest = Buffer.from(text);
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(descriptor, rest));
    } catch (error) {
      // The pipe is non-blocking and its reader is slow.
      if (!hasCode(error, "EAGAIN")) throw error;
      pause(busyPauseMs);
    }
  }
}

function pause(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

function unwritable(cause: unknown): OperatorError {
  return new OperatorError({
    code: "OUTPUT_FAILED",
    attempt: "write to standard output",
    reason: messageOf(cause),
    remedy: "free space on its volume, or redirect it elsewhere",
    cause,
  });
}
