/**
 * The logger: pino writing synchronously to stderr, with secrets removed from every line.
 */
import { pino, stdSerializers, stdTimeFunctions } from "pino";
import { onOneLine, visibleText } from "../model/texts/quoted-text.ts";
import { createRedactor } from "../model/texts/redaction.ts";
import { createLogSink, type WriteBytes } from "./log-sink.ts";
import type { AdjustableLogger, Logger, LogLevel } from "./logger.ts";

export interface LoggerOptions {
  readonly level: LogLevel;
  readonly format: "json" | "pretty";
  /** Values that must not appear in any line, whether in messages, fields or stacks. */
  readonly secrets: readonly string[];
  /** Whether pretty lines are coloured; see `wantsColour`. */
  readonly colour: boolean;
  /** Instead of stderr. */
  readonly writeBytes?: WriteBytes;
}

export async function createLogger(options: LoggerOptions): Promise<AdjustableLogger> {
  const { level, format, secrets, colour } = options;
  const present = format === "pretty" ? await prettyPrinter(colour) : (line: string) => line;
  // In a JSON line, a secret's quotes and backslashes are escaped.
  const redact = createRedactor(secrets.flatMap((secret) => [secret, JSON.stringify(secret).slice(1, -1)]));
  const sink = createLogSink({
    ...(options.writeBytes === undefined ? {} : { writeBytes: options.writeBytes }),
    describeLost: (lines) => present(lostLine(lines)),
  });

  const logger = pino(
    {
      // LevelledLogger filters instead, because pino's children keep the level they were created with.
      level: "debug",
      // The service binds the worker's name; pid and host name are less useful in a container.
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      messageKey: "message",
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: stdSerializers.errWithCause },
    },
    { write: (line) => sink.write(present(redact(line))) },
  );
  return new LevelledLogger(logger, { level });
}

const ranks: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 };

type Written = Omit<Logger, "isDebugEnabled" | "child"> & { child(fields: object): Written };

interface Threshold {
  level: LogLevel;
}

/** Passes on lines that are severe enough. It shares one threshold with its children. */
class LevelledLogger implements AdjustableLogger {
  readonly #written: Written;
  readonly #threshold: Threshold;

  constructor(written: Written, threshold: Threshold) {
    this.#written = written;
    this.#threshold = threshold;
  }

  get level(): LogLevel {
    return this.#threshold.level;
  }

  set level(level: LogLevel) {
    this.#threshold.level = level;
  }

  isDebugEnabled(): boolean {
    return this.#isWritten("debug");
  }

  debug(fields: object, message: string): void {
    if (this.#isWritten("debug")) this.#written.debug(fields, message);
  }

  info(fields: object, message: string): void {
    if (this.#isWritten("info")) this.#written.info(fields, message);
  }

  warn(fields: object, message: string): void {
    if (this.#isWritten("warn")) this.#written.warn(fields, message);
  }

  error(fields: object, message: string): void {
    this.#written.error(fields, message);
  }

  child(fields: object): Logger {
    return new LevelledLogger(this.#written.child(fields), this.#threshold);
  }

  #isWritten(level: LogLevel): boolean {
    return ranks[level] >= ranks[this.#threshold.level];
  }
}

/** Colour is used on a terminal, unless NO_COLOR is set (no-color.org). */
export function wantsColour(isTerminal: boolean, noColour: string | undefined): boolean {
  return isTerminal && (noColour ?? "") === "";
}

/** Loaded only on demand, because production logs are JSON. */
async function prettyPrinter(colorize: boolean): Promise<(line: string) => string> {
  const { prettyFactory } = await import("pino-pretty");
  const pretty = prettyFactory({
    colorize,
    singleLine: true,
    messageKey: "message",
    errorLikeObjectKeys: ["error"],
    translateTime: "SYS:HH:MM:ss.l",
  });
  return (line) => {
    try {
      return pretty(JSON.parse(line, withoutSteering));
    } catch {
      // A removed secret began with the letter of an escape.
      return visibleText(line);
    }
  };
}

/** What a stranger chose must neither look like another line nor steer the terminal. */
function withoutSteering(name: string, value: unknown): unknown {
  if (typeof value === "string") return name === "stack" ? visibleText(value) : onOneLine(value);
  return value;
}

function lostLine(lines: number): string {
  const time = new Date().toISOString();
  return `${JSON.stringify({ level: "warn", time, lines, message: "log lines were lost" })}\n`;
}
