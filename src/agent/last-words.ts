/**
 * A bug that nobody catches ends the process, as Node would have it, but its last words are a line of the
 * log like all others. What it leaves is seen to as after a crash: the guard ends the sensors, and other
 * workers take over what this one held.
 */
import type { Logger } from "../telemetry/logger.ts";

/** From now on, until the process ends. */
export function endWithLastWords(logger: Logger): void {
  process.on("uncaughtException", (error: unknown) => {
    logger.error({ error }, "ended by a bug of the agent; please report it");
    process.exit(1);
  });
}
