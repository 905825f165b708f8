import type { JsonObject } from "../json/json.ts";

/** A runtime that this worker offers because it was verified or an override names it. */
export interface OfferedRuntime {
  /** The runtime row's ref, for example core.sensor.python. */
  readonly ref: string;
  /** Canonical name, for example python; see runtime-names.ts. */
  readonly name: string;
  /** Absolute path of the interpreter; null if the script itself is executed (native) or runs inside the agent (builtin). */
  readonly interpreter: string | null;
  /** Arguments that go before the script. */
  readonly interpreterArgs: readonly string[];
  /** As parsed from the verification's output; null if unknown. */
  readonly version: string | null;
  readonly executionConfig: JsonObject;
}
