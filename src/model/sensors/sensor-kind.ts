/**
 * The kinds of sensors that this version runs. A sensor's protocol and runtime determine its kind.
 *
 * To add a kind, name it here, decode it below and follow the compile errors: each place where kinds differ has an entry
 * or a case for every kind. Put its source into a new file in sensors/sources/.
 */
import { invalid, valid, type Decoded } from "../json/decoded.ts";
import { builtinRuntime, builtinRuntimeRef } from "../runtimes/runtime-names.ts";

export type SensorKind = "poll" | "stream" | "standalone";

export interface KindFacts {
  /** Whether a running sensor that prints nothing may be broken instead of waiting for its next run. */
  readonly isSilenceTelling: boolean;
  /** Whether its runs succeed or fail one by one, so that the last ones are worth counting. */
  readonly hasCountedRuns: boolean;
  /** Whether it learns of changed rules while it runs; others are started anew with them. */
  readonly hearsOfRules: boolean;
  /** Fields of its definition that have no effect. */
  readonly idleFields: readonly ("poll_interval" | "timeout" | "success_exit_codes")[];
}

export const kindFacts: Readonly<Record<SensorKind, KindFacts>> = {
  poll: { isSilenceTelling: false, hasCountedRuns: true, hearsOfRules: false, idleFields: [] },
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
};

export interface SensorTraits {
  readonly protocol: string;
  readonly runtimeRef: string;
  /** Canonical; null if unknown. */
  readonly runtimeName: string | null;
}

/** Invalid if this version cannot run such a sensor on any worker. */
export function sensorKindOf({ protocol, runtimeRef, runtimeName }: SensorTraits): Decoded<SensorKind> {
  const kind = kindOfProtocol(protocol);
  if (kind.kind === "invalid") return kind;
  if (runtimeRef === builtinRuntimeRef || runtimeName === builtinRuntime) {
    return invalid("built-in sensors are not supported by this version");
  }
  return kind;
}

/** The kind of a sensor that is not built in. */
export function kindOfProtocol(protocol: string): Decoded<SensorKind> {
  switch (protocol) {
    case "poll":
    case "stream":
    case "standalone":
      return valid(protocol);
    default:
      return invalid(`protocol ${protocol} is not supported by this version`);
  }
}
