/** The logger of a command, as its configuration wants it. */
import type { LoadedConfig } from "../config/load-config.ts";
import type { AdjustableLogger } from "../telemetry/logger.ts";
import { createLogger, wantsColour } from "../telemetry/pino-logger.ts";

/** Writes to stderr; says first what is odd in the configuration. */
export async function openLogger(
  { config, file, warnings, secrets }: LoadedConfig,
  environment: NodeJS.ProcessEnv,
  { isAmongWatchedLines = false } = {},
): Promise<AdjustableLogger> {
  const { level } = config.log;
  // On a terminal, JSON among the lines of --watch would hide them.
  const format = isAmongWatchedLines && process.stderr.isTTY ? "pretty" : config.log.format;
  const colour = wantsColour(process.stderr.isTTY, environment["NO_COLOR"]);
  const logger = await createLogger({ level, format, secrets, colour });
  for (const warning of warnings) logger.warn({ file }, warning);
  return logger;
}
