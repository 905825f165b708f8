/** What `verify` finds: rows that contradict each other in a way that the agent never leaves them. */
import type { Id } from "../identifiers.ts";

/** In the order in which reports list them, each with what it means. */
export const violationKinds = {
  enforcement_missing: "events without an enforcement that their rules demand",
  enforcement_unexpected: "enforcements of rules that the event does not match",
  enforcement_doubled: "second enforcements of the same rule for the same event",
  enforcement_without_event: "enforcements of events that do not exist",
  enforcement_of_other_trigger: "enforcements that name another trigger than their event",
  payload_missing: "enforcements whose payload is neither in their row nor in their event's",
  message_without_row: "messages in the outbox about rows that do not exist",
  message_wrong: "messages in the outbox whose id or routing key contradicts the row they are about",
  checkpoint_ahead: "checkpoints ahead of every event that was ever stored",
  checkpoint_of_other_sensor: "checkpoints that an event of another sensor carried",
  key_without_event: "dedup keys of events that do not exist",
  key_of_other_event: "dedup keys that point at an event with another key",
  event_without_key: "events whose dedup key is not remembered, so that it would be stored again",
  revision_ahead: "events matched at a revision of the rules that there never was",
  id_beyond_sequence: "rows with ids that their sequence will give out again",
} as const;

export type ViolationKind = keyof typeof violationKinds;

export interface Violation {
  readonly kind: ViolationKind;
  /** What was found, with the ids. */
  readonly text: string;
}

export interface PresentEnforcement {
  readonly id: Id;
  /** Null for one that another program inserted. */
  readonly ruleId: Id | null;
  /** A replay, which goes by later rules, has added it. */
  readonly isReplayed: boolean;
}

export interface EventJudgement {
  /** Rules that demand an enforcement and have none. */
  readonly missing: readonly Id[];
  readonly unexpected: readonly PresentEnforcement[];
  /** All but the first of each rule. */
  readonly doubled: readonly PresentEnforcement[];
}

/**
 * @param demanded the rules that match; undefined if that cannot be proved any more
 * @param enforcements in order of id
 */
export function judgeEnforcements(
  demanded: readonly Id[] | undefined,
  enforcements: readonly PresentEnforcement[],
): EventJudgement {
  const seen = new Set<Id>();
  const doubled = enforcements.filter(({ ruleId }) => {
    if (ruleId === null) return false;
    if (seen.has(ruleId)) return true;
    seen.add(ruleId);
    return false;
  });
  if (demanded === undefined) return { missing: [], unexpected: [], doubled };
  const wanted = new Set(demanded);
  return {
    missing: demanded.filter((ruleId) => !seen.has(ruleId)),
    unexpected: enforcements.filter(
      ({ ruleId, isReplayed }) => ruleId !== null && !isReplayed && !wanted.has(ruleId),
    ),
    doubled,
  };
}
