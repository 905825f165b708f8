/** Runs version commands for a service, without blocking it; a signal stops them. */
import pMap from "p-map";
import { runCommand, type CommandResult } from "../processes/run-command.ts";
import { concurrentCommandsMax } from "./concurrent-commands.ts";
import type { RunVersionCommands } from "./interpreter-detection.ts";

const ended: CommandResult = { kind: "timed-out", stdout: "", stderr: "" };

/** @param signal stops running commands and prevents the others from starting */
export function runVersionCommands(signal?: AbortSignal): RunVersionCommands {
  return (commands) =>
    pMap(commands, (command) => (signal?.aborted ? ended : runCommand(command, signal)), {
      concurrency: concurrentCommandsMax,
    });
}
