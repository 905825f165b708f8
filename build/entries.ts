/** The modules at which the executable's scripts are divided, by their paths in the repository. */

export const main = "src/main.ts";
export const commandLine = "src/agent/cli.ts";
/** The command that needs nothing but the command line's script. */
export const detection = "src/agent/commands/detect-only.ts";
