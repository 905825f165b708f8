/** What conditions and templates can read of an event that is already stored. */
import type { Id } from "../identifiers.ts";
import type { JsonObject } from "../json/json.ts";
import { aimAt } from "./rule-aim.ts";
import type { EventFacts } from "./rule-match.ts";

interface MatchableEvent {
  readonly id: Id;
  readonly triggerRef: string;
  readonly payload: JsonObject;
  readonly sourceRef: string | null;
  readonly occurredAt: Date | null;
}

/** An event for a single rule is stored with that rule's ref. */
export function aimOf({ ruleRef }: { readonly ruleRef: string | null }): string | null {
  return ruleRef === null ? null : aimAt(ruleRef);
}

export function factsOf(event: MatchableEvent, triggerInstanceId: string | null): EventFacts {
  const { id, triggerRef, payload, sourceRef, occurredAt } = event;
  return {
    id,
    triggerRef,
    payload,
    sourceRef,
    occurredAt: occurredAt?.toISOString() ?? null,
    triggerInstanceId,
  };
}
