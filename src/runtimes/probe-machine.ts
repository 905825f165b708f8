import type { DetectedInterpreter } from "../model/runtimes/detected-interpreter.ts";
import { ownExecutable } from "./executable-lookup.ts";
import { probeEnvironment } from "./probe-environment.ts";
import type { RuntimeMachine } from "./runtime-verification.ts";

/** Long enough for an interpreter on a slow volume, short enough for a command that hangs. */
const verificationTimeoutMs = 5_000;

/**
 * This machine, as seen when the agent started.
 *
 * @param environment with the variables restored that the executable set aside for the image's programs
 */
export function probeMachine(
  environment: Readonly<Record<string, string | undefined>>,
  detected: readonly DetectedInterpreter[],
): RuntimeMachine {
  return {
    lookup: { path: environment["PATH"], ownExecutable: ownExecutable() },
    probeEnvironment: probeEnvironment(environment),
    detected,
    timeoutMs: verificationTimeoutMs,
  };
}
