/**
 * The logger interface: fields first, then a message.
 */
export type LogLevel = "debug" | "info" | "warn" | "error";

export interface Logger {
  /** For callers whose debug lines are many or costly to build. */
  isDebugEnabled(): boolean;
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  child(fields: object): Logger;
}

/** A logger whose level can be changed at run time, for its children too. */
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
