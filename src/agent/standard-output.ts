/**
 * What was asked for goes to stdout in one piece, before the call returns: Node's own stream would drop
 * it silently where stdout is a device, and lose what is queued when the process exits.
 */
import { writeSync } from "node:fs";
import { hasCode, messageOf } from "../errors/caught.ts";
import { OperatorError } from "../errors/operator-error.ts";

const busyPauseMs = 10;

/**
 * A reader that has seen enough (`… --detect-only | head -1`) is no failure.
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
      // Somebody made the pipe non-blocking, and its reader is slow.
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
    remedy: "free space where it goes, or send it elsewhere",
    cause,
  });
}
