/** Process groups, identified by their leader's process id. */
import { existsSync } from "node:fs";
import { hasCode } from "../errors/caught.ts";

/** The longest time to wait for a killed process that the kernel still holds, for example because of a slow disk. */
export const killWaitMs = 2_000;

/**
 * Sends a signal to every process of the group. It is not an error if the group is gone.
 *
 * @param leader its process id; must not have been reaped long ago, or the id may have been reused
 */
export function signalGroup(leader: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-leader, signal);
  } catch (error) {
    // EPERM: the group contains only processes that changed their user (setuid), which must not be killed.
    if (!hasCode(error, "ESRCH", "EPERM")) throw error;
  }
}

/** Whether any process, even a zombie, is left in the group. */
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
 * Whether a reaped leader left others behind. The kernel reuses an id only when no process and no group has it, so
 * a group that exists without a process of the same id is still the leader's.
 */
export function isGroupLeft(leader: number): boolean {
  return isGroupAlive(leader) && !existsSync(`/proc/${leader}`);
}
