/** Tells whoever watches of a stored event and of the enforcements it led to. */
import type { Activity } from "../telemetry/activity.ts";
import type { PreparedEvent } from "./prepared-batch.ts";

export function tellStored(activity: Activity, prepared: PreparedEvent): void {
  if (!activity.isWatched) return;
  const { waiting, trigger, matches, enforcementIds } = prepared;
  const { id: eventId, event } = waiting;
  activity.tell({
    kind: "event",
    eventId,
    triggerRef: trigger.ref,
    sensorRef: event.source?.sensorRef ?? null,
    payload: event.payload,
  });
  for (const [index, { ruleRef, config }] of matches.entries()) {
    const enforcementId = enforcementIds[index] ?? "";
    activity.tell({ kind: "enforcement", enforcementId, eventId, ruleRef, config });
  }
}
