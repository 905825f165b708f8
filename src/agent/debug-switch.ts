/**
 * SIGUSR2 turns the log's debug lines on, and off again: an agent in trouble can be looked into without a restart,
 * which might end the trouble.
 *
 * The signal is heard from when this is made, since by itself it would end the process; before there is a log it
 * does nothing.
 */
import type { AdjustableLogger, LogLevel } from "../telemetry/logger.ts";

export class DebugSwitch {
  #flip: (() => void) | undefined;

  constructor() {
    process.on("SIGUSR2", () => this.#flip?.());
  }

  control(logger: AdjustableLogger): void {
    const usual = logger.level;
    const other: LogLevel = usual === "debug" ? "info" : "debug";
    this.#flip = () => {
      const [next, later] = logger.level === usual ? [other, usual] : [usual, other];
      // Whatever the two levels are, somebody waits for an answer.
      logger.level = "debug";
      logger.info({}, `SIGUSR2: the log's level is now ${next}; the same signal makes it ${later} again`);
      logger.level = next;
    };
  }
}
