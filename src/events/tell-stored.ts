/** Tells whoever watches of a stored event and of the enforcements it led to. */
import type { Activity } from "../telemetry/activity.ts";
import type { ToldEnforcement } from "./batch-outcomes.ts";
import { idOf, type EventEntry } from "./entries.ts";

export function tellStored(
  activity: Activity,
  entry: EventEntry,
  enforcements: readonly ToldEnforcement[],
): void {
  if (!activity.isWatched) return;
  const { event, source } = entry;
  const eventId = idOf(entry);
  activity.tell({
    kind: "event",
    eventId,
    triggerRef: event.triggerRef,
    sensorRef: source?.sensorRef ?? null,
    payload: event.payload,
  });
  for (const { id, match } of enforcements) {
    const { ruleRef, config } = match;
    activity.tell({ kind: "enforcement", enforcementId: id, eventId, ruleRef, config });
  }
}
