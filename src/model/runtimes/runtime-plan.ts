/**
 * Decodes a runtime row: how to check whether the runtime is installed, how to start a script with it, and
 * how to install it. Rows are written by people in SQL, so any part may be malformed; a malformed row is a
 * value here, never an exception.
 */
import { invalid, valid, type Decoded } from "../json/decoded.ts";
import type { RuntimeDefinition } from "../definitions.ts";
import { nearestDouble } from "../json/exact-number.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../json/json.ts";
import { compileLinearPattern, type LinearPattern } from "../texts/linear-pattern.ts";
import { canonicalRuntimeName } from "./runtime-names.ts";
import { isAtLeast } from "./versions.ts";

export interface VerificationCommand {
  readonly binary: string;
  readonly args: readonly string[];
  readonly exitCode: number;
  /** Must match stdout or stderr; null if the exit code suffices. */
  readonly pattern: LinearPattern | null;
  /** Lower ones are tried first; commands without one come last, in the order given. */
  readonly priority: number;
}

export interface Interpreter {
  readonly binary: string;
  readonly args: readonly string[];
}

export interface RuntimePlan {
  readonly ref: string;
  /** Canonical. */
  readonly name: string;
  readonly isAlwaysAvailable: boolean;
  /** In the order they are tried. */
  readonly commands: readonly VerificationCommand[];
  readonly minVersion: string | null;
  readonly recommendedVersion: string | null;
  /** Null means the binary whose verification succeeded. */
  readonly interpreter: Interpreter | null;
  readonly executionConfig: JsonObject;
  readonly installationHint: string | null;
}

export function decodeRuntimePlan(definition: RuntimeDefinition): Decoded<RuntimePlan> {
  try {
    return valid(planOf(definition));
  } catch (error) {
    if (error instanceof Malformed) return invalid(error.message);
    throw error;
  }
}

/** Thrown and caught only in this file. */
class Malformed extends Error {}

function planOf({ ref, name, distributions, installation, executionConfig }: RuntimeDefinition): RuntimePlan {
  const metadata = objectAt("distributions", distributions);
  const verification = objectAt("distributions.verification", metadata["verification"] ?? {});
  const commands = listAt("distributions.verification.commands", verification["commands"] ?? []);
  const isAlwaysAvailable = verification["always_available"] ?? false;
  if (typeof isAlwaysAvailable !== "boolean") {
    throw new Malformed("distributions.verification.always_available is neither true nor false");
  }
  if (!isAlwaysAvailable && commands.length === 0) {
    throw new Malformed("distributions.verification has neither commands nor always_available");
  }
  const execution = objectAt("execution_config", executionConfig);
  return {
    ref,
    name: canonicalRuntimeName(name),
    isAlwaysAvailable,
    commands: commands.map(commandAt).toSorted((one, other) => one.priority - other.priority),
    minVersion: versionAt("distributions.min_version", metadata["min_version"]),
    recommendedVersion: versionAt("distributions.recommended_version", metadata["recommended_version"]),
    interpreter: interpreterAt("execution_config.interpreter", execution["interpreter"]),
    executionConfig: execution,
    installationHint: hintIn(installation),
  };
}

function commandAt(value: JsonValue, index: number): VerificationCommand {
  const path = `distributions.verification.commands[${index}]`;
  const command = objectAt(path, value);
  const exitCode = nearestDouble(command["exit_code"] ?? 0);
  const priority = nearestDouble(command["priority"] ?? Number.MAX_SAFE_INTEGER);
  if (!Number.isInteger(exitCode)) throw new Malformed(`${path}.exit_code is not a whole number`);
  if (priority === undefined) throw new Malformed(`${path}.priority is not a number`);
  return {
    ...programAt(path, command),
    exitCode: Number(exitCode),
    pattern: patternAt(`${path}.pattern`, command["pattern"]),
    priority,
  };
}

function interpreterAt(path: string, value: JsonValue | undefined): Interpreter | null {
  return value === undefined || value === null ? null : programAt(path, objectAt(path, value));
}

function programAt(path: string, { binary, args }: JsonObject): Interpreter {
  if (typeof binary !== "string" || binary === "")
    throw new Malformed(`${path}.binary is not a program's name`);
  return {
    binary,
    args: listAt(`${path}.args`, args ?? []).map((argument) => {
      if (typeof argument !== "string") throw new Malformed(`${path}.args holds something that is not text`);
      return argument;
    }),
  };
}

/**
 * The platform's documents show an INSERT whose SQL string doubles every backslash, and PostgreSQL keeps
 * both. So a doubled backslash means one; no version output holds a backslash to be looked for.
 */
function patternAt(path: string, source: JsonValue | undefined): LinearPattern | null {
  if (source === undefined || source === null) return null;
  if (typeof source !== "string") throw new Malformed(`${path} is not text`);
  const compiled = compileLinearPattern(source.replaceAll("\\\\", "\\"));
  if (compiled.kind === "invalid") throw new Malformed(`${path} ${compiled.problem}`);
  return compiled.value;
}

function versionAt(path: string, value: JsonValue | undefined): string | null {
  if (value === undefined || value === null) return null;
  if (typeof value !== "string" || isAtLeast(value, value) === undefined) {
    throw new Malformed(`${path} is not a version in quotes, like "3.8"`);
  }
  return value;
}

function objectAt(path: string, value: JsonValue): JsonObject {
  if (!isJsonObject(value)) throw new Malformed(`${path} is not a JSON object`);
  return value;
}

function listAt(path: string, value: JsonValue): readonly JsonValue[] {
  if (!Array.isArray(value)) throw new Malformed(`${path} is not a list`);
  return value;
}

/** `{"hint": "…"}`, or one hint per system: `{"apt": "apt-get install ruby", "docs": "https://…"}`. */
function hintIn(installation: JsonValue): string | null {
  if (!isJsonObject(installation)) return null;
  const { hint } = installation;
  if (typeof hint === "string") return hint;
  const lines = Object.entries(installation).flatMap(([system, text]) =>
    typeof text === "string" ? `${system}: ${text}` : [],
  );
  return lines.length === 0 ? null : lines.join("; ");
}
