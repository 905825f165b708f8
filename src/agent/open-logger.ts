/** Creates a command's logger from its configuration. */
import type { LoadedConfig } from "../config/load-config.ts";
import type { AdjustableLogger } from "../telemetry/logger.ts";
import { createLogger, wantsColour } from "../telemetry/pino-logger.ts";

/** Logs to stderr, starting with the configuration's warnings. */
export async function openLogger(
  { config, file, warnings, secrets }: LoadedConfig,
  environment: NodeJS.ProcessEnv,
  { isAmongWatchedLines = false } = {},
): Promise<AdjustableLogger> {
  const { level } = config.log;
  // On a terminal, JSON log lines would drown the lines of --watch.
  const format = isAmongWatchedLines && process.stderr.isTTY ? "pretty" : config.log.format;
  const colour = wantsColour(process.stderr.isTTY, environment["NO_COLOR"]);
  const logger = await createLogger({ level, format, secrets, colour });
  for (const warning of warnings) logger.warn({ file }, warning);
  return logger;
}
