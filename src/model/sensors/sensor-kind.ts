/**
 * The kinds of sensors that this version runs. A sensor's protocol and runtime determine its kind.
 *
 * To add a kind, name it here, decode it below and follow the compile errors: each place where kinds differ has an entry
 * or a case for every kind. Put its source into a new file in sensors/sources/.
 */
import { invalid, valid, type Decoded } from "../json/decoded.ts";
import { builtinRuntime, builtinRuntimeRef } from "../runtimes/runtime-names.ts";

export type SensorKind = "poll" | "stream" | "standalone" | "files" | "timers" | "webhooks";

export interface KindFacts {
  /** Whether a running sensor that prints nothing may be broken instead of waiting for its next run. */
  readonly isSilenceTelling: boolean;
  /** Whether its runs succeed or fail one by one, so that the last ones are worth counting. */
  readonly hasCountedRuns: boolean;
  /** Whether it learns of changed rules while it runs, or at its next run; others are restarted with them. */
  readonly hearsOfRules: boolean;
  /** Fields of its definition that have no effect. */
  readonly idleFields: readonly ("poll_interval" | "timeout" | "success_exit_codes")[];
}

export const kindFacts: Readonly<Record<SensorKind, KindFacts>> = {
  poll: { isSilenceTelling: false, hasCountedRuns: true, hearsOfRules: true, idleFields: [] },
  stream: {
    isSilenceTelling: true,
    hasCountedRuns: false,
    hearsOfRules: false,
    idleFields: ["poll_interval", "timeout", "success_exit_codes"],
  },
  standalone: {
    isSilenceTelling: false,
    hasCountedRuns: false,
    hearsOfRules: true,
    idleFields: ["poll_interval", "timeout", "success_exit_codes"],
  },
  files: {
    isSilenceTelling: false,
    hasCountedRuns: false,
    hearsOfRules: true,
    idleFields: ["poll_interval", "timeout", "success_exit_codes"],
  },
  timers: {
    isSilenceTelling: false,
    hasCountedRuns: false,
    hearsOfRules: true,
    idleFields: ["poll_interval", "timeout", "success_exit_codes"],
  },
  webhooks: {
    isSilenceTelling: false,
    hasCountedRuns: false,
    hearsOfRules: true,
    idleFields: ["poll_interval", "timeout", "success_exit_codes"],
  },
};

/**
 * The kinds of built-in sensors by the entrypoint that a sensor of the runtime `builtin` names. They run inside the agent,
 * whatever their protocol is.
 */
export const builtinKinds: ReadonlyMap<string, SensorKind> = new Map([
  ["files", "files"],
  ["timers", "timers"],
  ["webhooks", "webhooks"],
]);

export interface SensorTraits {
  readonly protocol: string;
  /** The name of a built-in sensor if its runtime is `builtin`. */
  readonly entrypoint: string;
  readonly runtimeRef: string;
  /** Canonical; null if unknown. */
  readonly runtimeName: string | null;
}

/** Invalid if this version cannot run such a sensor on any worker. */
export function sensorKindOf(traits: SensorTraits): Decoded<SensorKind> {
  return isBuiltin(traits) ? builtinKindOf(traits.entrypoint) : kindOfProtocol(traits.protocol);
}

/** Whether it runs inside the agent, without a program. */
export function isBuiltin({
  runtimeRef,
  runtimeName,
}: Pick<SensorTraits, "runtimeRef" | "runtimeName">): boolean {
  return runtimeRef === builtinRuntimeRef || runtimeName === builtinRuntime;
}

/** The kind of a sensor of the runtime `builtin`. */
export function builtinKindOf(entrypoint: string): Decoded<SensorKind> {
  const kind = builtinKinds.get(entrypoint);
  if (kind !== undefined) return valid(kind);
  return invalid(`${JSON.stringify(entrypoint)} is no built-in sensor of this version`);
}

function kindOfProtocol(protocol: string): Decoded<SensorKind> {
  switch (protocol) {
    case "poll":
    case "stream":
    case "standalone":
      return valid(protocol);
    default:
      return invalid(`protocol ${protocol} is not supported by this version`);
  }
}
