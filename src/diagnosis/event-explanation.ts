/** Reads what explains an event, and explains it. */
import { inSlices } from "../concurrency/work-slices.ts";
import type { Queryable } from "../database/database.ts";
import { readLikelyRef } from "../database/likely-ref.ts";
import { rowOf, rowsOf } from "../database/statement.ts";
import { readInstallation } from "../database/statements/installation.ts";
import {
  readEnforcementsOfEvent,
  readEventIdRange,
  readKeyHolders,
  readMatchedEvent,
  readOwedMessages,
  readTriggerNow,
} from "../database/statements/explained-events.ts";
import { readLaterRules, readVersionsOfRef } from "../database/statements/rule-versions.ts";
import { messageId, type Id } from "../model/identifiers.ts";
import {
  explainEvent,
  momentOf,
  type AskedRule,
  type EventExplanation,
  type ExplainedEvent,
  type MatchFate,
} from "../model/rules/explain-event.ts";
import { meantText } from "../model/texts/meant-text.ts";
import type { RulesInForce } from "./rules-in-force.ts";

export interface StoredExplanation extends EventExplanation {
  /** Null: it is not stored. */
  readonly event: ExplainedEvent | null;
}

export interface ExplanationSource {
  /** Of one snapshot. */
  readonly rows: Queryable;
  readonly rulesInForce: RulesInForce;
}

export async function explainStoredEvent(
  { rows, rulesInForce }: ExplanationSource,
  id: Id,
  ruleRef: string | undefined,
): Promise<StoredExplanation> {
  const event = await rowOf(rows, readMatchedEvent, id);
  if (event === undefined) return { event: null, answer: await absenceText(rows, id), notes: [], rules: [] };
  const { triggerRef } = event;
  const versions = await rulesInForce.at(rows, triggerRef, momentOf(event));
  const earlierRules = versions.map(({ version }) => version.ruleId);
  const laterRules = await rowsOf(rows, readLaterRules, { triggerRef, earlierRules });
  const fates = await readFates(rows, id);
  const about = ruleRef === undefined ? undefined : await readAskedRule(rows, ruleRef);
  return { event, ...(await inSlices(explainEvent({ event, versions, laterRules, fates, about }))) };
}

export interface DedupKeyQuestion {
  readonly triggerRef: string;
  readonly dedupKey: string;
  readonly ruleRef: string | undefined;
}

/** Explains the event that holds a dedup key: any later one with this key is its duplicate. */
export async function explainDedupKey(
  source: ExplanationSource,
  { triggerRef, dedupKey, ruleRef }: DedupKeyQuestion,
): Promise<StoredExplanation> {
  const holders = await rowsOf(source.rows, readKeyHolders, { triggerRef, dedupKey });
  const [holder, ...others] = holders;
  const key = JSON.stringify(dedupKey);
  if (holder === undefined) {
    const trigger = await rowOf(source.rows, readTriggerNow, triggerRef);
    const answer =
      trigger === undefined
        ? `there is no trigger ${triggerRef}${meantText(await readLikelyRef(source.rows, "trigger", triggerRef))}`
        : `no event of ${triggerRef} with the dedup_key ${key} is remembered: none was stored, or it was longer ago than retention.deduplication`;
    return { event: null, answer, notes: [], rules: [] };
  }
  const { eventId, claimedAt, sourceRef } = holder;
  const whose = sourceRef === null ? "" : ` of ${sourceRef}`;
  const found = await explainStoredEvent(source, eventId, ruleRef);
  return {
    ...found,
    answer: `a later event${whose} with the dedup_key ${key} is a duplicate of event ${eventId}, stored at ${claimedAt.toISOString()}, and is not stored again; ${found.answer}`,
    notes: [
      ...found.notes,
      ...others.map(
        (other) => `event ${other.eventId} of ${other.sourceRef ?? "no sensor"} has the key, too`,
      ),
    ],
  };
}

async function readFates(rows: Queryable, eventId: Id): Promise<readonly MatchFate[]> {
  const enforcements = await rowsOf(rows, readEnforcementsOfEvent, eventId);
  const installation = await rowOf(rows, readInstallation, undefined);
  if (enforcements.length === 0 || installation === undefined) return [];
  const ids = enforcements.map(({ id }) => messageId(installation.id, "enforcement", id));
  const owed = await rowsOf(rows, readOwedMessages, ids);
  return enforcements.map((enforcement, index) => {
    const message = owed.find((each) => each.messageId === ids[index]);
    return { ...enforcement, owedSince: message?.since ?? null, refusal: message?.refusal ?? null };
  });
}

async function readAskedRule(rows: Queryable, ref: string): Promise<AskedRule> {
  const versions = await rowsOf(rows, readVersionsOfRef, ref);
  return { ref, versions, meant: versions.length > 0 ? undefined : await readLikelyRef(rows, "rule", ref) };
}

async function absenceText(rows: Queryable, id: Id): Promise<string> {
  if (BigInt(id) === 0n) return "no event has the id 0: the first is 1";
  const range = await rowOf(rows, readEventIdRange, undefined);
  const subject = `there is no event ${id}`;
  if (range === undefined || BigInt(id) > BigInt(range.reserved)) {
    return `${subject}: no event has had this id yet`;
  }
  if (range.lowest === null || BigInt(id) < BigInt(range.lowest)) {
    return `${subject} any more: events older than retention.events are dropped${range.lowest === null ? "" : `; the oldest is ${range.lowest}`}`;
  }
  return `${subject}: its id was reserved and not used, as for an event that was refused or a duplicate`;
}
