/**
 * The logger as the rest of the code sees it. Fields first, then a sentence.
 */
export type LogLevel = "debug" | "info" | "warn" | "error";

export interface Logger {
  /** For those who would have to build many lines, or costly ones. */
  isDebugEnabled(): boolean;
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  child(fields: object): Logger;
}

/** The whole log's, children included, may change while it is written. */
export interface AdjustableLogger extends Logger {
  level: LogLevel;
}

export const silentLogger: Logger = {
  isDebugEnabled: () => false,
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  child: () => silentLogger,
};
