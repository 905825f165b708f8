/** Reports a stored event and its enforcements to the log and to those who watch. */
import type { Activity } from "../telemetry/activity.ts";
import type { ActivitySummary } from "../telemetry/activity-summary.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { MatchedEnforcement } from "./batch-outcomes.ts";
import { idOf, type EventEntry } from "./entries.ts";

export interface Reporters {
  readonly logger: Logger;
  readonly summary: Pick<ActivitySummary, "noteStored">;
  readonly activity: Activity;
}

/** Called for every event, so it builds only what somebody reads. */
export function reportStored(
  { logger, summary, activity }: Reporters,
  entry: EventEntry,
  enforcements: readonly MatchedEnforcement[],
): void {
  summary.noteStored(entry.source?.sensorRef ?? null, enforcements.length);
  if (enforcements.length > 0 && logger.isDebugEnabled()) logMatches(logger, entry, enforcements);
  if (activity.isWatched) showToWatchers(activity, entry, enforcements);
}

function logMatches(logger: Logger, entry: EventEntry, enforcements: readonly MatchedEnforcement[]): void {
  const eventId = idOf(entry);
  for (const { id, match } of enforcements) {
    const fields = {
      rule_ref: match.ruleRef,
      event_id: eventId,
      enforcement_id: id,
      trigger_ref: entry.event.triggerRef,
      sensor_ref: entry.source?.sensorRef ?? null,
    };
    logger.debug(fields, `rule ${match.ruleRef} matched event ${eventId}: enforcement ${id}`);
  }
}

function showToWatchers(
  activity: Activity,
  entry: EventEntry,
  enforcements: readonly MatchedEnforcement[],
): void {
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
