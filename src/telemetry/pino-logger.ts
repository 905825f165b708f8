/**
 * The logger: pino writing synchronously to stderr, every line stripped of secrets on its way out.
 */
import { pino, stdSerializers, stdTimeFunctions } from "pino";
import { createRedactor } from "../model/redaction.ts";
import { createLogSink, type WriteBytes } from "./log-sink.ts";
import type { Logger } from "./logger.ts";

export interface LoggerOptions {
  readonly level: "debug" | "info" | "warn" | "error";
  readonly format: "json" | "pretty";
  /** Values that no line may show, in messages, fields and stacks alike. */
  readonly secrets: readonly string[];
  /** Whether pretty lines are coloured; see `wantsColour`. */
  readonly colour: boolean;
  /** Instead of stderr. */
  readonly writeBytes?: WriteBytes;
}

export async function createLogger(options: LoggerOptions): Promise<Logger> {
  const { level, format, secrets, colour } = options;
  const present = format === "pretty" ? await prettyPrinter(colour) : (line: string) => line;
  // A secret with quotes or backslashes stands in a JSON line as JSON writes it.
  const redact = createRedactor(secrets.flatMap((secret) => [secret, JSON.stringify(secret).slice(1, -1)]));
  const sink = createLogSink({
    ...(options.writeBytes === undefined ? {} : { writeBytes: options.writeBytes }),
    describeLost: (lines) => present(lostLine(lines)),
  });

  const logger: Logger = pino(
    {
      level,
      // The worker's name is bound by whoever knows it; a pid and a host name say less in a container.
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      messageKey: "message",
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: stdSerializers.errWithCause },
    },
    { write: (line) => sink.write(present(redact(line))) },
  );
  return logger;
}

/** Colour is for a terminal, and not for people who have said NO_COLOR (no-color.org). */
export function wantsColour(isTerminal: boolean, noColour: string | undefined): boolean {
  return isTerminal && (noColour ?? "") === "";
}

/** Loaded only when asked for: in production lines are JSON. */
async function prettyPrinter(colorize: boolean): Promise<(line: string) => string> {
  const { prettyFactory } = await import("pino-pretty");
  return prettyFactory({
    colorize,
    singleLine: true,
    messageKey: "message",
    errorLikeObjectKeys: ["error"],
    translateTime: "SYS:HH:MM:ss.l",
  });
}

function lostLine(lines: number): string {
  const time = new Date().toISOString();
  return `${JSON.stringify({ level: "warn", time, lines, message: "log lines were lost" })}\n`;
}
