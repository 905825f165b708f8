/** Entries as the pipeline holds them, and batches of them as it stores them, without a pipeline. */
import type { EventEntry } from "../../src/events/entries.ts";
import { matchPiece, type Piece } from "../../src/events/matched-piece.ts";
import { prepareBatch, type PreparedBatch } from "../../src/events/prepared-batch.ts";
import type { Id } from "../../src/model/identifiers.ts";
import type { IncomingEvent } from "../../src/model/sensors/incoming-event.ts";
import type { RuleSet } from "../../src/model/rules/rule-match.ts";

export function eventEntry(id: Id, event: Partial<IncomingEvent> = {}): EventEntry {
  const whole: IncomingEvent = {
    triggerRef: "demo.tick",
    payload: {},
    source: null,
    triggerInstanceId: null,
    dedupKey: null,
    occurredAt: null,
    checkpoint: undefined,
    ...event,
  };
  return {
    kind: "event",
    event: whole,
    source: whole.source,
    payloadJson: JSON.stringify(whole.payload),
    checkpointJson: whole.checkpoint === undefined ? undefined : JSON.stringify(whole.checkpoint),
    acceptedAtMs: 0,
    settle: () => {},
    abandon: () => {},
    id,
    enforcementIds: undefined,
    isAttempted: false,
    isInDoubt: false,
    isWithdrawn: false,
  };
}

export function matchedPiece(entries: readonly EventEntry[], rules: RuleSet): Piece {
  const matched = matchPiece(entries, rules, { matchesMax: 1_000, charactersMax: 1_000_000 });
  if (matched.kind !== "piece") throw new Error("an event is too large");
  return matched.piece;
}

/** Of events that no rule matches. */
export function unmatchedBatch(
  entries: readonly EventEntry[],
  rules: Pick<RuleSet, "trigger" | "revisionOf">,
  installationId: string,
): PreparedBatch {
  return prepareBatch(matchedPiece(entries, { ...rules, match: () => [] }), installationId);
}
