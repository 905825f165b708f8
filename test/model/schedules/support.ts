import type { JsonObject } from "../../../src/model/json/json.ts";
import type { Schedule } from "../../../src/model/schedules/schedule.ts";
import { decodeTimer, type TimerPlan } from "../../../src/model/schedules/timer-plan.ts";

export function planOf(triggerRef: string, params: JsonObject, createdMs = 0): TimerPlan {
  const decoded = decodeTimer(triggerRef, params, { id: "7", ref: "reports.nightly", createdMs });
  if (decoded.kind === "invalid") throw new Error(decoded.problem);
  return decoded.value;
}

export function scheduleOf(triggerRef: string, params: JsonObject, createdMs = 0): Schedule {
  return planOf(triggerRef, params, createdMs).schedule;
}

/** All slots after the first time and up to the second. */
export function firesOf(schedule: Schedule, afterMs: number, untilMs: number): number[] {
  const fires: number[] = [];
  for (let slot = schedule.next(afterMs); slot !== undefined && slot.scheduledMs <= untilMs;) {
    fires.push(slot.scheduledMs);
    slot = schedule.next(slot.scheduledMs);
  }
  return fires;
}
