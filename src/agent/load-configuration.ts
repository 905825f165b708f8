/** Loads a command's configuration from this process's arguments, environment and files. */
import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { loadConfig, type LoadedConfig } from "../config/load-config.ts";
import { hasCode } from "../errors/caught.ts";
import { OperatorError } from "../errors/operator-error.ts";
import type { Invocation } from "./invocation.ts";

export function loadConfiguration({
  configPath,
  workerName,
  environment,
}: Pick<Invocation, "configPath" | "workerName" | "environment">): LoadedConfig {
  return loadConfig({
    flags: { config: configPath, name: workerName },
    env: environment,
    cwd: workingDirectory(),
    hostname: hostname(),
    readFile: readFileIfPresent,
  });
}

/** A shell can stay in a deleted folder and start commands there. */
function workingDirectory(): string {
  try {
    return process.cwd();
  } catch (error) {
    throw new OperatorError({
      code: "WORKING_DIRECTORY_GONE",
      attempt: "find the working directory",
      reason: hasCode(error, "ENOENT") ? "it was removed" : String(error),
      remedy: "change to a directory that exists, for example: cd /",
      cause: error,
    });
  }
}

function readFileIfPresent(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (hasCode(error, "ENOENT")) return undefined;
    throw error;
  }
}
