/**
 * What a worker offers. Combines the verified rows, the detected interpreters and an override into the
 * runtime names by which sensors are placed, and the interpreters that run them.
 *
 *   - An override is exact: everything it names is offered, found or not, and nothing else.
 *   - Without an override, rows decide about the names they define: a Python that is too old for its row is
 *     not offered although it was detected. Detection decides only about names without a row.
 *   - `builtin` is always offered. `native` is offered only by an override, whatever its row says, since the
 *     worker's operator must decide whether any executable file may run.
 */
import type { DetectedInterpreter } from "./detected-interpreter.ts";
import type { OfferedRuntime } from "./offered-runtime.ts";
import { describeOutcome, type RuntimeOutcome } from "./runtime-outcome.ts";
import { builtinRuntime, nativeRuntime } from "./runtime-names.ts";
import type { RuntimeSelection } from "./runtime-selection.ts";
import type { JsonObject } from "../json/json.ts";

export interface JudgedRuntime {
  readonly ref: string;
  /** Canonical. */
  readonly name: string;
  readonly executionConfig: JsonObject;
  readonly outcome: RuntimeOutcome;
}

export type RuntimeAnswer =
  | { readonly kind: "offered"; readonly runtime: OfferedRuntime }
  /** Why a sensor of that runtime cannot run here, and what to do. */
  | { readonly kind: "unavailable"; readonly reason: string };

/** The part of a worker's capabilities that concerns runtimes. */
export interface RuntimeCapabilities {
  /** Canonical names. */
  readonly runtimes: readonly string[];
  /** By canonical name, where known. */
  readonly runtimeVersions: Readonly<Record<string, string>>;
  readonly detectedInterpreters: readonly DetectedInterpreter[];
}

export interface RuntimeOffer {
  readonly capabilities: RuntimeCapabilities;
  /** By the row's ref; a ref without an answer has no row. */
  readonly answers: ReadonlyMap<string, RuntimeAnswer>;
}

export function offerRuntimes(
  selection: RuntimeSelection,
  judged: readonly JudgedRuntime[],
  detected: readonly DetectedInterpreter[],
): RuntimeOffer {
  const runtimes = namesOffered(selection, judged, detected);
  const interpreters = interpretersOf(judged, detected);
  return {
    capabilities: {
      runtimes,
      runtimeVersions: versionsOf(runtimes, interpreters),
      detectedInterpreters: interpreters,
    },
    answers: new Map(
      judged.map((runtime) => [runtime.ref, answer(runtime, runtimes.includes(runtime.name), selection)]),
    ),
  };
}

function namesOffered(
  selection: RuntimeSelection,
  judged: readonly JudgedRuntime[],
  detected: readonly DetectedInterpreter[],
): readonly string[] {
  if (selection.kind === "override") return [...new Set([...selection.names, builtinRuntime])];

  const defined = new Set(judged.map(({ name }) => name));
  const verified = judged.filter(({ outcome }) => outcome.kind === "available").map(({ name }) => name);
  const undefinedByRows = detected.map(({ name }) => name).filter((name) => !defined.has(name));
  const names = new Set([...verified, ...undefinedByRows, builtinRuntime]);
  names.delete(nativeRuntime);
  return [...names];
}

function answer(
  { ref, name, executionConfig, outcome }: JudgedRuntime,
  isOffered: boolean,
  selection: RuntimeSelection,
): RuntimeAnswer {
  if (!isOffered && selection.kind === "override") {
    return { kind: "unavailable", reason: `${name} is excluded by the ${overrideSource(selection.by)}` };
  }
  if (name === nativeRuntime && !isOffered) {
    return {
      kind: "unavailable",
      reason: `${name} is offered only when ATTUNE_SENSOR_RUNTIMES or sensor.capabilities.runtimes names it`,
    };
  }
  if (outcome.kind !== "available") return { kind: "unavailable", reason: describeOutcome(outcome) };
  const { interpreter, interpreterArgs, version } = outcome;
  return {
    kind: "offered",
    runtime: { ref, name, interpreter, interpreterArgs, version, executionConfig },
  };
}

function overrideSource(by: "environment" | "config"): string {
  return by === "environment" ? "override ATTUNE_SENSOR_RUNTIMES" : "setting sensor.capabilities.runtimes";
}

/** The detected interpreters and those the rows found. If both have the same name, the row's is used to run sensors. */
function interpretersOf(
  judged: readonly JudgedRuntime[],
  detected: readonly DetectedInterpreter[],
): readonly DetectedInterpreter[] {
  const byName = new Map(detected.map((interpreter) => [interpreter.name, interpreter]));
  for (const { name, outcome } of judged.toReversed()) {
    if (outcome.kind !== "available" || outcome.interpreter === null) continue;
    byName.set(name, { name, path: outcome.interpreter, version: outcome.version });
  }
  return [...byName.values()];
}

function versionsOf(
  names: readonly string[],
  interpreters: readonly DetectedInterpreter[],
): Readonly<Record<string, string>> {
  return Object.fromEntries(
    interpreters.flatMap(({ name, version }) =>
      version !== null && names.includes(name) ? [[name, version]] : [],
    ),
  );
}
