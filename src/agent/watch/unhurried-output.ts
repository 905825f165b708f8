/**
 * Standard output that never makes the agent wait: a terminal that is held with Ctrl-S, or a pager that nobody
 * scrolls, costs lines and not leases.
 *
 * A pipe or a terminal is opened once more, without blocking, so that other programs that write there are not concerned.
 */
import { constants, fstatSync, openSync, writeSync } from "node:fs";
import type { WriteBytes } from "../../telemetry/log-sink.ts";

const standardOutput = 1;

export function unhurriedOutput(): WriteBytes {
  const descriptor = openedAgain() ?? standardOutput;
  return (bytes) => writeSync(descriptor, bytes);
}

/** Undefined for what takes everything at once, as a file, and where it is not allowed. */
function openedAgain(): number | undefined {
  try {
    const stat = fstatSync(standardOutput);
    if (!stat.isFIFO() && !stat.isCharacterDevice()) return undefined;
    const { O_WRONLY, O_NONBLOCK, O_NOCTTY } = constants;
    return openSync(`/proc/self/fd/${standardOutput}`, O_WRONLY | O_NONBLOCK | O_NOCTTY);
  } catch {
    return undefined;
  }
}
