/** Runs version commands for a service, without blocking it; a signal stops them. */
import pMap from "p-map";
import type { ProcessGuard } from "../processes/guard.ts";
import { runCommand, type BoundedCommand, type CommandResult } from "../processes/run-command.ts";
import { concurrentCommandsMax } from "./concurrent-commands.ts";
import type { RunVersionCommands } from "./interpreter-detection.ts";

const ended: CommandResult = { kind: "timed-out", stdout: "", stderr: "" };

export interface VersionCommandsOptions {
  /** Ends commands that outlive this process. */
  readonly guard?: Pick<ProcessGuard, "watch">;
  /** Stops running commands and prevents the others from starting. */
  readonly signal?: AbortSignal;
}

export function runVersionCommands({ guard, signal }: VersionCommandsOptions = {}): RunVersionCommands {
  const run = (command: BoundedCommand): Promise<CommandResult> =>
    runCommand(command, signal, (child) => guard?.watch(child));
  return (commands) =>
    pMap(commands, async (command) => (signal?.aborted ? ended : run(command)), {
      concurrency: concurrentCommandsMax,
    });
}
