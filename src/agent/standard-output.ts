/**
 * Writes a command's output to stdout completely before returning. Node's own stream silently drops output if
 * stdout is a device, and loses queued output when the process exits.
 */
import { writeSync } from "node:fs";
import { hasCode, messageOf } from "../errors/caught.ts";
import { OperatorError } from "../errors/operator-error.ts";

const busyPauseMs = 10;

/**
 * A reader that closes the pipe early (`… --detect-only | head -1`) is not a failure.
 *
 * @throws OperatorError OUTPUT_FAILED when it cannot be written, as on a full disk
 */
export function writeToStandardOutput(text: string): void {
  let rest = Buffer.from(text);
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(1, rest));
    } catch (error) {
      if (hasCode(error, "EPIPE")) return;
      // The pipe is non-blocking and its reader is slow.
      if (hasCode(error, "EAGAIN")) pause(busyPauseMs);
      else throw unwritable(error);
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
