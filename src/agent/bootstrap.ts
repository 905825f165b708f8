/**
 * Runs before anything else is loaded: probes the image's interpreters and sets ATTUNE_SENSOR_RUNTIMES to
 * the result, unless the variable was already set from outside. The origin is recorded, because only a
 * value from outside overrides the configuration.
 * The caller waits for it: the contract requires detection to finish before anything else starts.
 */
import type { DetectedInterpreter } from "../model/runtimes/detected-interpreter.ts";
import { runtimesVariable, selectRuntimes } from "../model/runtimes/runtime-selection.ts";
import { detectInterpreters, type RunVersionCommands } from "../runtimes/interpreter-detection.ts";
import { splitEnvironment, type SplitEnvironment } from "./restored-environment.ts";

export interface Bootstrap {
  /** The environment, for this process and for the image's programs. */
  readonly agentVariables: SplitEnvironment;
  readonly detectedInterpreters: readonly DetectedInterpreter[];
  /** The override from outside, in canonical form; undefined if there was none. */
  readonly runtimesFromEnvironment: readonly string[] | undefined;
}

export async function bootstrapRuntimes(
  environment: NodeJS.ProcessEnv,
  run: RunVersionCommands,
): Promise<Bootstrap> {
  const split = splitEnvironment(environment);
  const detectedInterpreters = await detectInterpreters({ environment: split.restored, run });
  const selection = selectRuntimes(environment[runtimesVariable], undefined);
  if (selection.kind === "override") {
    return { agentVariables: split, detectedInterpreters, runtimesFromEnvironment: selection.names };
  }
  environment[runtimesVariable] = detectedInterpreters.map(({ name }) => name).join(",");
  return { agentVariables: split, detectedInterpreters, runtimesFromEnvironment: undefined };
}
