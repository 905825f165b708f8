/**
 * Non-blocking standard output: a terminal paused with Ctrl-S, or a pager that nobody scrolls, costs lines and
 * not leases.
 *
 * A pipe or terminal is reopened non-blocking, because setting the flag on stdout itself would affect other programs.
 */
import { constants, fstatSync, openSync, writeSync } from "node:fs";
import type { WriteBytes } from "../../telemetry/log-sink.ts";

const standardOutput = 1;

export function nonBlockingOutput(): WriteBytes {
  const descriptor = reopened() ?? standardOutput;
  return (bytes) => writeSync(descriptor, bytes);
}

/** Undefined if stdout never blocks, such as a file, or cannot be reopened. */
function reopened(): number | undefined {
  try {
    const stat = fstatSync(standardOutput);
    if (!stat.isFIFO() && !stat.isCharacterDevice()) return undefined;
    const { O_WRONLY, O_NONBLOCK, O_NOCTTY } = constants;
    return openSync(`/proc/self/fd/${standardOutput}`, O_WRONLY | O_NONBLOCK | O_NOCTTY);
  } catch {
    return undefined;
  }
}
