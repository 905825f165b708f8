/** The event of a slot that fires. */
import { aimAt } from "../../model/rules/rule-aim.ts";
import type { JsonObject } from "../../model/json/json.ts";
import type { Slot } from "../../model/schedules/schedule.ts";
import type { BuiltinSubmission } from "../sources/source.ts";
import type { Timer } from "./timer.ts";

export interface Fire {
  readonly scheduledMs: number;
  readonly firedMs: number;
  readonly lateMs: number;
}

const types: Readonly<Record<string, string>> = {
  "core.intervaltimer": "interval",
  "core.timer": "interval",
  "core.crontimer": "cron",
  "core.datetimetimer": "datetime",
  "core.rruletimer": "rrule",
};

export function fireAt({ scheduledMs, dueMs }: Slot, nowMs: number): Fire {
  return { scheduledMs, firedMs: nowMs, lateMs: Math.max(nowMs - dueMs, 0) };
}

/** @param executionCount which fire of the rule it is, from 1 */
export function timerEvent(
  timer: Pick<Timer, "id" | "ref" | "triggerRef" | "plan" | "dedupKey">,
  { scheduledMs, firedMs, lateMs }: Fire,
  executionCount: number,
): BuiltinSubmission["event"] {
  const { triggerRef, plan } = timer;
  const firedAt = new Date(firedMs).toISOString();
  const payload: Record<string, JsonObject[string]> = {
    type: types[triggerRef] ?? "timer",
    rule_ref: timer.ref,
    scheduled_at: new Date(scheduledMs).toISOString(),
    fired_at: firedAt,
    late_seconds: lateMs / 1_000,
    execution_count: executionCount,
  };
  if (triggerRef === "core.crontimer" && plan !== undefined) {
    const next = plan.firesMax === executionCount ? undefined : plan.schedule.next(scheduledMs);
    payload["next_fire_at"] = next === undefined ? null : new Date(next.scheduledMs).toISOString();
  }
  return {
    triggerRef,
    payload,
    triggerInstanceId: aimAt(timer.id),
    dedupKey: timer.dedupKey(scheduledMs),
    occurredAt: firedAt,
    checkpoint: undefined,
  };
}
