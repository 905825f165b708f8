/**
 * What happens before anything else is loaded: the image's interpreters are probed, and
 * ATTUNE_SENSOR_RUNTIMES is set to what was found unless it came set from outside. Which of the two it
 * was is remembered, since only a value from outside overrides the configuration.
 * Whoever calls this waits for it before going on: the contract has detection come first, and alone.
 */
import type { DetectedInterpreter } from "../model/runtimes/detected-interpreter.ts";
import { runtimesVariable, selectRuntimes } from "../model/runtimes/runtime-selection.ts";
import { detectInterpreters, type RunVersionCommands } from "../runtimes/interpreter-detection.ts";
import { splitEnvironment, type SplitEnvironment } from "./restored-environment.ts";

export interface Bootstrap {
  /** The environment, with what is meant for the image's programs apart. */
  readonly environment: SplitEnvironment;
  readonly detectedInterpreters: readonly DetectedInterpreter[];
  /** The override that came from outside, canonical; undefined when there was none. */
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
    return { environment: split, detectedInterpreters, runtimesFromEnvironment: selection.names };
  }
  environment[runtimesVariable] = detectedInterpreters.map(({ name }) => name).join(",");
  return { environment: split, detectedInterpreters, runtimesFromEnvironment: undefined };
}
