/**
 * SIGUSR2 toggles debug logging, so that an agent in trouble can be inspected without a restart, which might
 * hide the trouble.
 *
 * The handler is installed on construction, because the signal's default action ends the process. Until a logger
 * exists the signal does nothing.
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
      // Log the answer even if neither level would show it.
      logger.level = "debug";
      logger.info({}, `SIGUSR2: log level is now ${next}; send the signal again to return to ${later}`);
      logger.level = next;
    };
  }
}
