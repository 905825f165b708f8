/** Process groups by the number of their leader. */
import { existsSync } from "node:fs";
import { hasCode } from "../errors/caught.ts";

/** A killed process that the kernel still holds (waiting for a disk) is not waited for beyond this. */
export const killWaitMs = 2_000;

/**
 * Sends a signal to every process of the group. A group that is gone is not an error: that is what
 * the caller wants in the end.
 *
 * @param leader its process id; must not have been reaped long ago, or the number may be another's
 */
export function signalGroup(leader: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-leader, signal);
  } catch (error) {
    // EPERM: the group holds only processes that changed their user (setuid), which are not ours to end.
    if (!hasCode(error, "ESRCH", "EPERM")) throw error;
  }
}

/** Whether any process, also a zombie, is left in the group. */
function isGroupAlive(leader: number): boolean {
  try {
    process.kill(-leader, 0);
    return true;
  } catch (error) {
    if (hasCode(error, "EPERM")) return true;
    if (hasCode(error, "ESRCH")) return false;
    throw error;
  }
}

/**
 * Whether a leader that has been reaped left others behind. The kernel gives a number away only when no process
 * and no group has it, so a group that exists while no process of that number does is still the leader's.
 */
export function isGroupLeft(leader: number): boolean {
  return isGroupAlive(leader) && !existsSync(`/proc/${leader}`);
}
