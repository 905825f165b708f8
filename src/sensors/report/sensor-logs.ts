import type { Logger } from "../../telemetry/logger.ts";
import type { Clock } from "../../time/clock.ts";
import type { LogEcho } from "./log-echo.ts";
import { SensorLog } from "./sensor-log.ts";

export interface SensorLogsOptions {
  readonly logsDir: string;
  /** Of each file. */
  readonly bytesMax: number;
  /** Rotated files kept beside the one written to. */
  readonly filesMax: number;
  /** Whether there are files at all. */
  readonly hasFiles: boolean;
  /** To the agent's log; undefined: not there. */
  readonly echo: LogEcho | undefined;
  readonly clock: Clock;
  readonly onLost: (lines: number) => void;
}

/** Where the logs of all sensors of a worker go. */
export class SensorLogs {
  readonly #options: SensorLogsOptions;

  constructor(options: SensorLogsOptions) {
    this.#options = options;
  }

  /** @param logger names the sensor in each line */
  ofSensor(sensorRef: string, logger: Logger): SensorLog {
    const { logsDir, bytesMax, filesMax, hasFiles, echo, clock, onLost } = this.#options;
    return new SensorLog({
      logsDir,
      sensorRef,
      bytesMax,
      filesMax,
      hasFile: hasFiles,
      echo: echo?.ofSensor(logger),
      clock,
      logger,
      onLost,
    });
  }
}
