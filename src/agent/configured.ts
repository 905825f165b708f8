/** The configuration and the logger of a command, from this process's world. */
import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { loadConfig, type LoadedConfig } from "../config/load-config.ts";
import type { Logger } from "../telemetry/logger.ts";
import { createLogger, wantsColour } from "../telemetry/pino-logger.ts";
import type { Invocation } from "./invocation.ts";

export function loadConfiguration({ configPath, workerName, environment }: Invocation): LoadedConfig {
  return loadConfig({
    flags: { config: configPath, name: workerName },
    env: environment,
    cwd: process.cwd(),
    hostname: hostname(),
    readFile: readFileIfPresent,
  });
}

/** Writes to stderr; says first what is odd in the configuration. */
export async function openLogger(
  { config, file, warnings, secrets }: LoadedConfig,
  environment: NodeJS.ProcessEnv,
): Promise<Logger> {
  const { level, format } = config.log;
  const colour = wantsColour(process.stderr.isTTY, environment["NO_COLOR"]);
  const logger = await createLogger({ level, format, secrets, colour });
  for (const warning of warnings) logger.warn({ file }, warning);
  return logger;
}

function readFileIfPresent(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}
