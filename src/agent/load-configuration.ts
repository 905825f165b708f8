/** The configuration of a command, from this process's world. */
import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { loadConfig, type LoadedConfig } from "../config/load-config.ts";
import type { Invocation } from "./invocation.ts";

export function loadConfiguration({
  configPath,
  workerName,
  environment,
}: Pick<Invocation, "configPath" | "workerName" | "environment">): LoadedConfig {
  return loadConfig({
    flags: { config: configPath, name: workerName },
    env: environment,
    cwd: process.cwd(),
    hostname: hostname(),
    readFile: readFileIfPresent,
  });
}

function readFileIfPresent(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}
