/** A logger whose lines a test reads, debug lines apart; its children write to the same lines. */
import { silentLogger, type Logger } from "../../src/telemetry/logger.ts";

export interface LogLine {
  readonly level: "info" | "warn" | "error";
  readonly message: string;
  readonly fields: object;
}

export interface RecordingLogger {
  readonly logger: Logger;
  readonly lines: readonly LogLine[];
}

export function recordingLogger(): RecordingLogger {
  const lines: LogLine[] = [];
  const at =
    (level: LogLine["level"], bound: object) =>
    (fields: object, message: string): void =>
      void lines.push({ level, message, fields: { ...bound, ...fields } });
  const withBound = (bound: object): Logger => ({
    ...silentLogger,
    info: at("info", bound),
    warn: at("warn", bound),
    error: at("error", bound),
    child: (fields) => withBound({ ...bound, ...fields }),
  });
  return { logger: withBound({}), lines };
}
