/** How a change of payloads is reported to people and as an event. */
import type { JsonObject } from "../json/json.ts";
import { counted } from "../texts/counted.ts";
import { driftText, type Drift } from "./memory-drift.ts";

export const alertTrigger = "core.alert";

export interface ConcernedDrift {
  readonly triggerRef: string;
  readonly drift: Drift;
  /** Refs of the rules that read the field. */
  readonly rules: readonly string[];
  /** Whether the trigger's out_schema forbids it. */
  readonly isForbidden: boolean;
}

const namedRulesMax = 20;

/** Like `` payloads of demo.login: `user.id` turned from number to text at 14:02, in 3 rules (a, b, c) ``. */
export function driftSentence({ triggerRef, drift, rules, isForbidden }: ConcernedDrift): string {
  const named = rules.slice(0, 3).join(", ") + (rules.length > 3 ? ", …" : "");
  const read = rules.length === 0 ? "no rule reads it" : `in ${counted(rules.length, "rule")} (${named})`;
  const schema = isForbidden ? "; the trigger's out_schema says otherwise" : "";
  return `payloads of ${triggerRef}: ${driftText(drift)}, ${read}${schema}`;
}

export function driftAlert(concerned: ConcernedDrift): JsonObject {
  const { triggerRef, drift, rules } = concerned;
  return {
    type: "payload_drift",
    trigger_ref: triggerRef,
    path: drift.path,
    change: drift.kind === "type" ? (drift.hasTurned ? "turned" : "mixed") : "missing",
    ...(drift.kind === "type" ? { from: drift.from, to: drift.to } : {}),
    since: new Date(drift.sinceMs).toISOString(),
    rules: rules.slice(0, namedRulesMax),
    reason: driftSentence(concerned),
  };
}

/** The same for the same change, whichever agent notices it. */
export function driftKey({ triggerRef, drift }: ConcernedDrift): string {
  const to = drift.kind === "type" ? drift.to : "missing";
  return `payload_drift:${triggerRef}:${drift.path}:${to}:${drift.sinceMs}`;
}
