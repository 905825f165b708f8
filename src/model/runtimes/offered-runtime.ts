import type { JsonObject } from "../json/json.ts";

/** A runtime this worker offers: verified, or named by an override. */
export interface OfferedRuntime {
  /** The runtime row's ref, for example core.sensor.python. */
  readonly ref: string;
  /** Canonical name, for example python; see model/runtime-names.ts. */
  readonly name: string;
  /** Absolute path of the interpreter; null when a script is executed itself (native) or inside the agent (builtin). */
  readonly interpreter: string | null;
  /** Arguments that go before the script. */
  readonly interpreterArgs: readonly string[];
  /** As parsed from the verification's output; null when unknown. */
  readonly version: string | null;
  readonly executionConfig: JsonObject;
}
