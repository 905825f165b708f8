/**
 * Copies the stderr of sensors into the agent's own log (`sensor.log_to`), where the collector of a container's output
 * finds it.
 *
 * Each sensor and all of them together have a limit per time window. A chatty sensor therefore neither drowns the agent's
 * own lines nor blocks the agent, whose log is written synchronously. The sensor's next line reports how many were
 * dropped.
 */
import { counted } from "../../model/texts/counted.ts";
import type { Logger } from "../../telemetry/logger.ts";
import type { Clock } from "../../time/clock.ts";

const windowMs = 10_000;
const linesMaxOfSensor = 100;
const charactersMaxOfSensor = 65_536;
const linesMaxOfAll = 1_000;
const lineLengthMax = 4_096;

/** What the sensors of one agent share. */
export class LogEcho {
  readonly #clock: Clock;
  #windowStartMs = Number.NEGATIVE_INFINITY;
  #lines = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @param logger names the sensor in each line */
  ofSensor(logger: Logger): SensorEcho {
    return new SensorEcho(logger, this.#clock, () => this.#hasRoom());
  }

  #hasRoom(): boolean {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#windowStartMs >= windowMs) {
      this.#windowStartMs = nowMs;
      this.#lines = 0;
    }
    this.#lines += 1;
    return this.#lines <= linesMaxOfAll;
  }
}

export class SensorEcho {
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #hasRoomAmongAll: () => boolean;
  #windowStartMs = Number.NEGATIVE_INFINITY;
  #lines = 0;
  #characters = 0;
  #leftOut = 0;

  constructor(logger: Logger, clock: Clock, hasRoomAmongAll: () => boolean) {
    this.#logger = logger;
    this.#clock = clock;
    this.#hasRoomAmongAll = hasRoomAmongAll;
  }

  write(lines: readonly string[]): void {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#windowStartMs >= windowMs) {
      this.tellLeftOut();
      this.#windowStartMs = nowMs;
      this.#lines = 0;
      this.#characters = 0;
    }
    for (const line of lines) this.#writeLine(line);
  }

  /** Says how many lines are missing. */
  tellLeftOut(): void {
    const lines = this.#leftOut;
    if (lines === 0) return;
    this.#leftOut = 0;
    this.#logger.info(
      { lines },
      `${counted(lines, "line")} of this sensor ${lines === 1 ? "was" : "were"} left out here: too many in ${windowMs / 1_000} s`,
    );
  }

  #writeLine(line: string): void {
    const text = line.length <= lineLengthMax ? line : `${line.slice(0, lineLengthMax)}…`;
    const hasRoom =
      this.#lines < linesMaxOfSensor &&
      this.#characters + text.length <= charactersMaxOfSensor &&
      this.#hasRoomAmongAll();
    if (!hasRoom) {
      this.#leftOut += 1;
      return;
    }
    this.#lines += 1;
    this.#characters += text.length;
    this.#logger.info({ from: "sensor" }, text);
  }
}
