/**
 * Verifies whether this machine has the runtime that a row defines.
 *
 * Commands are tried in order of priority, without a shell. The first one whose exit code and output match the
 * row, and whose version is new enough, wins. Scripts then run with the interpreter that the row names, or
 * else with the verified binary.
 */
import type { DetectedInterpreter } from "../model/runtimes/detected-interpreter.ts";
import type { RuntimeOutcome } from "../model/runtimes/runtime-outcome.ts";
import { builtinRuntime, nativeRuntime } from "../model/runtimes/runtime-names.ts";
import type { Interpreter, RuntimePlan, VerificationCommand } from "../model/runtimes/runtime-plan.ts";
import { versionInOutput } from "../model/runtimes/version-output.ts";
import { isAtLeast } from "../model/runtimes/versions.ts";
import type { ProcessGuard } from "../processes/guard.ts";
import { runCommand, type CommandResult } from "../processes/run-command.ts";
import { findExecutable, type ExecutableLookup } from "./executable-lookup.ts";
import { probedBinaries } from "./interpreter-detection.ts";

/** What verification needs to know about this machine. */
export interface RuntimeMachine {
  readonly lookup: ExecutableLookup;
  /** Environment for version commands; see probe-environment.ts. */
  readonly probeEnvironment: Readonly<Record<string, string>>;
  readonly detected: readonly DetectedInterpreter[];
  /** Time limit for each verification command. */
  readonly timeoutMs: number;
}

const outputBytesMax = 64 * 1024;

/**
 * @param signal stops the running command; the outcome must then be ignored
 * @param guard ends a command that outlives this process
 */
export async function verifyRuntime(
  plan: RuntimePlan,
  machine: RuntimeMachine,
  signal: AbortSignal,
  guard?: Pick<ProcessGuard, "watch">,
): Promise<RuntimeOutcome> {
  if (plan.isAlwaysAvailable) return assumeRuntime(plan, machine);

  const failures: string[] = [];
  let tooOld: RuntimeOutcome | undefined;
  for (const command of plan.commands) {
    const path = findExecutable(command.binary, machine.lookup);
    if (path === undefined) {
      failures.push(`${command.binary} is not on PATH`);
      continue;
    }
    const result = await runCommand(
      {
        file: path,
        args: command.args,
        env: machine.probeEnvironment,
        timeoutMs: machine.timeoutMs,
        outputBytesMax,
      },
      signal,
      (child) => guard?.watch(child),
    );
    const disagreement = disagreementOf(command, result);
    if (disagreement !== undefined) {
      failures.push(`${[path, ...command.args].join(" ")} ${disagreement}`);
      continue;
    }
    const outcome = outcomeOf(plan, path, versionSaid(result), machine);
    if (outcome.kind !== "too-old") return outcome;
    tooOld ??= outcome;
  }
  return tooOld ?? { kind: "missing", reason: failures.join(", "), hint: plan.installationHint };
}

/**
 * Accepts a runtime without verification because of an override or `always_available`. Nothing is run, but the
 * interpreter must exist.
 */
export function assumeRuntime(plan: RuntimePlan, machine: RuntimeMachine): RuntimeOutcome {
  if (plan.name === nativeRuntime || plan.name === builtinRuntime) return withoutInterpreter;
  if (plan.interpreter !== null) {
    return outcomeWith(plan, plan.interpreter, machine, (path) => versionDetected(path, machine));
  }

  const binaries = binariesOf(plan);
  if (binaries.length === 0) return withoutInterpreter;
  const path = binaries
    .map((binary) => findExecutable(binary, machine.lookup))
    .find((found) => found !== undefined);
  if (path === undefined) {
    return {
      kind: "missing",
      reason: `none of ${binaries.join(", ")} is on PATH`,
      hint: plan.installationHint,
    };
  }
  return available(path, [], versionDetected(path, machine), null);
}

/** Every binary that may affect the outcome. */
export function binariesOf(plan: RuntimePlan): readonly string[] {
  const named = [...(plan.interpreter === null ? [] : [plan.interpreter]), ...plan.commands];
  return named.length === 0 ? probedBinaries(plan.name) : [...new Set(named.map(({ binary }) => binary))];
}

const withoutInterpreter = available(null, [], null, null);

function available(
  interpreter: string | null,
  interpreterArgs: readonly string[],
  version: string | null,
  remark: string | null,
): RuntimeOutcome {
  return { kind: "available", interpreter, interpreterArgs, version, remark };
}

function outcomeOf(
  plan: RuntimePlan,
  path: string,
  version: string | null,
  machine: RuntimeMachine,
): RuntimeOutcome {
  const { minVersion, recommendedVersion, installationHint: hint } = plan;
  if (version !== null && minVersion !== null && isAtLeast(version, minVersion) === false) {
    return { kind: "too-old", path, version, minVersion, hint };
  }
  const remark = remarkOn(version, minVersion, recommendedVersion);
  if (plan.interpreter === null) return available(path, [], version, remark);
  const outcome = outcomeWith(plan, plan.interpreter, machine, () => version);
  return outcome.kind === "available" ? { ...outcome, remark } : outcome;
}

function outcomeWith(
  plan: RuntimePlan,
  { binary, args }: Interpreter,
  machine: RuntimeMachine,
  versionAt: (path: string) => string | null,
): RuntimeOutcome {
  const path = findExecutable(binary, machine.lookup);
  if (path === undefined) {
    return {
      kind: "missing",
      reason: `the interpreter ${binary} is not on PATH`,
      hint: plan.installationHint,
    };
  }
  return available(path, args, versionAt(path), null);
}

function remarkOn(
  version: string | null,
  minVersion: string | null,
  recommended: string | null,
): string | null {
  if (version === null) {
    return minVersion === null
      ? null
      : `it reported no version, so the required ${minVersion} could not be checked`;
  }
  if (recommended === null || isAtLeast(version, recommended) !== false) return null;
  return `older than the recommended ${recommended}`;
}

function disagreementOf(command: VerificationCommand, result: CommandResult): string | undefined {
  switch (result.kind) {
    case "unstarted":
      return `could not be started (${result.cause.code ?? result.cause.message})`;
    case "timed-out":
      return "did not end in time";
    case "overflowed":
      return `printed more than ${outputBytesMax} bytes`;
    case "signalled":
      return `was killed by ${result.signal}`;
    case "exited":
      if (result.code !== command.exitCode)
        return `exited with ${result.code} instead of ${command.exitCode}`;
      if (command.pattern === null || command.pattern.test(`${result.stdout}\n${result.stderr}`))
        return undefined;
      return `printed nothing that matches ${command.pattern.source}`;
  }
}

function versionSaid(result: CommandResult): string | null {
  if (result.kind === "unstarted") return null;
  return versionInOutput(result.stdout) ?? versionInOutput(result.stderr);
}

function versionDetected(path: string, { detected }: RuntimeMachine): string | null {
  return detected.find((interpreter) => interpreter.path === path)?.version ?? null;
}
