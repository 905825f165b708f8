/** The modules at which the executable's scripts are divided, by their paths in the repository. */
import type { LaterScript } from "./runtime/later-script.ts";

export const main = "src/main.ts";
export const commandLine = "src/agent/cli.ts";
/** The command that waits for nothing: it has a script of its own, without the command line. */
export const detection = "src/agent/commands/detect-only.ts";
/** The command that is called every few seconds: it has one, too. */
export const probe = "src/agent/commands/doctor-probe.ts";

/** Which script has a module that another script calls for. */
export function scriptWith(path: string): LaterScript {
  if (path === detection) return "detection";
  if (path === probe) return "probe";
  return path === commandLine ? "command-line" : "commands";
}
