/** The report of `--detect-only`: the interpreters found, and the effect of an override. */
import type { DetectedInterpreter } from "../model/runtimes/detected-interpreter.ts";
import { builtinRuntime, nativeRuntime } from "../model/runtimes/runtime-names.ts";
import { runtimesVariable } from "../model/runtimes/runtime-selection.ts";
import { probedBinaries } from "../runtimes/interpreter-detection.ts";
import { jsonReport } from "./json-report.ts";

/** The input of the report; a Bootstrap satisfies it. */
interface Detection {
  readonly detectedInterpreters: readonly DetectedInterpreter[];
  readonly runtimesFromEnvironment: readonly string[] | undefined;
}

export function detectionReportText({ detectedInterpreters, runtimesFromEnvironment }: Detection): string {
  const lines =
    runtimesFromEnvironment === undefined
      ? [
          detectedInterpreters.length === 0
            ? "No interpreters were found on PATH."
            : "Interpreters found on PATH:",
          ...detectedInterpreters.map((found) => `✓ ${described(found)}`),
        ]
      : overrideLines(runtimesFromEnvironment, detectedInterpreters);
  return [...lines, variableLine(detectedInterpreters, runtimesFromEnvironment), ""].join("\n");
}

export function detectionReportJson({ detectedInterpreters, runtimesFromEnvironment }: Detection): string {
  const override = runtimesFromEnvironment;
  const isFound = (name: string): boolean => detectedInterpreters.some((found) => found.name === name);
  const report = {
    runtimes: override ?? detectedInterpreters.map(({ name }) => name),
    detected_interpreters: detectedInterpreters,
    override:
      override === undefined
        ? null
        : {
            variable: runtimesVariable,
            kept: override.filter((name) => isFound(name) || isNeverProbed(name)),
            not_found: override.filter((name) => !isFound(name) && isProbed(name)),
            not_probed: override.filter((name) => !isProbed(name) && !isNeverProbed(name)),
            left_out: leftOut(override, detectedInterpreters).map(({ name }) => name),
          },
  };
  return jsonReport(report);
}

function overrideLines(
  override: readonly string[],
  detected: readonly DetectedInterpreter[],
): readonly string[] {
  return [
    `${runtimesVariable} is set and is a hard override: only the runtimes it names are offered.`,
    ...override.map((name) => {
      const found = detected.find((interpreter) => interpreter.name === name);
      if (found !== undefined) return `✓ ${described(found)}`;
      if (name === builtinRuntime) return `✓ ${name} (inside the agent)`;
      if (name === nativeRuntime) return `✓ ${name} (executables run directly)`;
      if (isProbed(name)) return `✗ ${name} (named, but not found on PATH)`;
      return `? ${name} (named; only its row in the database defines how to find it)`;
    }),
    ...leftOut(override, detected).map((found) => `- ${described(found)} was found but is left out`),
  ];
}

function leftOut(
  override: readonly string[],
  detected: readonly DetectedInterpreter[],
): readonly DetectedInterpreter[] {
  return detected.filter(({ name }) => !override.includes(name));
}

function described({ name, path, version }: DetectedInterpreter): string {
  return `${name} ${path} (${version ?? "version unknown"})`;
}

function isProbed(name: string): boolean {
  return probedBinaries(name).length > 0;
}

function isNeverProbed(name: string): boolean {
  return name === builtinRuntime || name === nativeRuntime;
}

function variableLine(
  detected: readonly DetectedInterpreter[],
  override: readonly string[] | undefined,
): string {
  return `${runtimesVariable}=${(override ?? detected.map(({ name }) => name)).join(",")}`;
}
