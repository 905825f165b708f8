/**
 * The platform's definitions as the rest of the code sees them: rows decoded once, readonly.
 * Definitions refer to each other by ref, the name their authors gave them; ids are for rows and messages.
 */
import type { Id } from "./identifiers.ts";
import type { JsonObject, JsonValue } from "./json/json.ts";

export interface TriggerDefinition {
  readonly id: Id;
  readonly ref: string;
  readonly label: string;
  readonly enabled: boolean;
  readonly paramSchema: JsonObject;
  readonly outSchema: JsonObject;
}

export type SensorProtocol = "poll" | "stream" | "standalone";

export interface SensorDefinition {
  readonly id: Id;
  readonly ref: string;
  readonly packRef: string;
  readonly label: string;
  readonly entrypoint: string;
  readonly runtimeRef: string;
  readonly protocol: SensorProtocol;
  readonly enabled: boolean;
  readonly config: JsonObject;
  readonly paramSchema: JsonObject;
  /** Seconds; null: the configured default. */
  readonly pollIntervalSeconds: number | null;
  /** Seconds; null: the configured default. */
  readonly timeoutSeconds: number | null;
  /** Exit codes that count as success for a poll sensor's run. */
  readonly successExitCodes: readonly number[];
  readonly runtimeVersionConstraint: string | null;
  /** Every trigger it serves, its main trigger first. */
  readonly triggers: readonly TriggerDefinition[];
}

/** What a sensor is told about an enabled rule on one of its triggers. */
export interface SensorRule {
  readonly id: Id;
  readonly ref: string;
  readonly triggerRef: string;
  readonly triggerParams: JsonObject;
}

export interface RuntimeDefinition {
  readonly id: Id;
  readonly ref: string;
  readonly packRef: string | null;
  readonly name: string;
  readonly description: string | null;
  /** As stored, unvalidated; decoded by runtime-plan.ts. */
  readonly distributions: JsonValue;
  readonly installation: JsonValue;
  readonly executionConfig: JsonValue;
}
