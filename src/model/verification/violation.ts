/** What `verify` finds: rows that contradict each other in a way that the agent never leaves them. */
import type { Id } from "../identifiers.ts";

export interface KindText {
  /** What one is, and what several are. */
  readonly one: string;
  readonly many: string;
  /** What `--repair` does, or what a person has to decide. */
  readonly remedy: string;
}

/** In the order in which reports list them. */
export const violationKinds = {
  enforcement_missing: {
    one: "event without an enforcement that its rules demand",
    many: "events without an enforcement that their rules demand",
    remedy: "--repair stores it, with its message, as the rule was then",
  },
  enforcement_unexpected: {
    one: "enforcement of a rule that the event does not match",
    many: "enforcements of rules that the event does not match",
    remedy: "find out who stored it; delete the row if its action should not run",
  },
  enforcement_doubled: {
    one: "second enforcement of the same rule for the same event",
    many: "second enforcements of the same rule for the same event",
    remedy: "delete the row if its action must not run again",
  },
  enforcement_without_event: {
    one: "enforcement of an event that does not exist",
    many: "enforcements of events that do not exist",
    remedy: "restore the event from a backup, or delete the enforcement, too",
  },
  enforcement_of_other_trigger: {
    one: "enforcement that names another trigger than its event",
    many: "enforcements that name another trigger than their event",
    remedy: "give it the trigger of its event",
  },
  payload_missing: {
    one: "enforcement whose payload is neither in its row nor in its event's",
    many: "enforcements whose payload is neither in their row nor in their event's",
    remedy: "restore the payload from a backup or from the message; else store an empty one",
  },
  message_without_row: {
    one: "message in the outbox about a row that does not exist",
    many: "messages in the outbox about rows that do not exist",
    remedy: "--repair deletes it",
  },
  message_wrong: {
    one: "message in the outbox whose id or routing key contradicts the row it is about",
    many: "messages in the outbox whose id or routing key contradicts the row they are about",
    remedy: "delete it before it is sent, because consumers would not recognise it",
  },
  checkpoint_ahead: {
    one: "checkpoint ahead of every event that was ever stored",
    many: "checkpoints ahead of every event that was ever stored",
    remedy: "set it to the last stored state that you know, or delete it, so that the sensor begins anew",
  },
  checkpoint_of_other_sensor: {
    one: "checkpoint that an event of another sensor carried",
    many: "checkpoints that an event of another sensor carried",
    remedy: "set it to the last stored state that you know, or delete it, so that the sensor begins anew",
  },
  key_without_event: {
    one: "dedup key of an event that does not exist",
    many: "dedup keys of events that do not exist",
    remedy: "delete the key if the event should be stored when it is sent again",
  },
  key_of_other_event: {
    one: "dedup key that points at an event with another key",
    many: "dedup keys that point at an event with another key",
    remedy: "delete the key; --repair then remembers the keys of stored events anew",
  },
  event_without_key: {
    one: "event whose dedup key is not remembered, so that it would be stored again",
    many: "events whose dedup key is not remembered, so that they would be stored again",
    remedy: "--repair remembers it",
  },
  revision_ahead: {
    one: "event matched at a revision of the rules that there never was",
    many: "events matched at a revision of the rules that there never was",
    remedy: "move the revision of the rules on, so that later changes are not taken for earlier ones",
  },
  id_beyond_sequence: {
    one: "row with an id that its sequence will give out again",
    many: "rows with ids that their sequence will give out again",
    remedy: "--repair moves the sequence on",
  },
} as const satisfies Readonly<Record<string, KindText>>;

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

export interface EventJudgement<Enforcement extends PresentEnforcement> {
  /** Rules that demand an enforcement and have none. */
  readonly missing: readonly Id[];
  readonly unexpected: readonly Enforcement[];
  /** All but the first of each rule. */
  readonly doubled: readonly Enforcement[];
}

/**
 * @param demanded the rules that match; undefined if that cannot be proved any more
 * @param enforcements in order of id
 */
export function judgeEnforcements<Enforcement extends PresentEnforcement>(
  demanded: readonly Id[] | undefined,
  enforcements: readonly Enforcement[],
): EventJudgement<Enforcement> {
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
