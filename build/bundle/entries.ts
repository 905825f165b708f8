/** The modules at which the executable's scripts are split, by their paths in the repository. */
import { dirname } from "node:path";
import type { LaterScript } from "./runtime/later-script.ts";

export const main = "src/main.ts";
const commandLine = "src/agent/cli.ts";
/** A command that must start fast, so it has its own script without the command line. */
export const detection = "src/agent/commands/detect-only.ts";
/** A command that is called every few seconds, with its own script for the same reason. */
export const probe = "src/agent/commands/doctor-probe.ts";

/** What threads begin with, by the name of their script: the asset `script/<name>.cjs`. */
export const threadModules = { backtest: "src/rules/backtest/worker.ts" } as const;
export type ThreadScript = keyof typeof threadModules;

/** Whether a module declares commands, which it imports when they are called. */
export function isOfCommandLine(path: string): boolean {
  return dirname(path) === dirname(commandLine);
}

/** The script that contains a module loaded by another script. */
export function scriptWith(path: string): LaterScript {
  if (path === detection) return "detection";
  if (path === probe) return "probe";
  return path === commandLine ? "command-line" : "commands";
}
