/**
 * An uncaught exception ends the process, as it does in Node by default, but is logged as an ordinary log
 * line first. Clean-up is the same as after a crash: the guard ends the sensors, and other workers take over
 * this worker's leases.
 */
import type { Logger } from "../telemetry/logger.ts";

export function endWithLastWords(logger: Logger): void {
  process.on("uncaughtException", (error: unknown) => {
    logger.error({ error }, "the agent is exiting because of a bug; please report it");
    process.exit(1);
  });
}
