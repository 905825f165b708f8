/** Reads a rule, and explains which of the last events of its trigger it matched, or whether it matches a payload. */
import { inSlices } from "../concurrency/work-slices.ts";
import type { Queryable } from "../database/database.ts";
import { readLikelyRef } from "../database/likely-ref.ts";
import { rowOf, rowsOf } from "../database/statement.ts";
import { readEventsForRule, readTriggerNow } from "../database/statements/explained-events.ts";
import { readVersionsOfRef } from "../database/statements/rule-versions.ts";
import type { JsonObject } from "../model/json/json.ts";
import type { RuleExplanation } from "../model/rules/explain-event.ts";
import { explainEventsOfRule, type RuleEventsExplanation } from "../model/rules/explain-events-of-rule.ts";
import { explainRule, verdictSentence } from "../model/rules/explain-rule.ts";
import { ruleOf, type RuleVersion } from "../model/rules/rules-at.ts";

/** @param rows of one snapshot */
export async function explainStoredRule(
  rows: Queryable,
  ref: string,
  countMax: number,
): Promise<RuleEventsExplanation> {
  const versions = await readVersions(rows, ref);
  const newest = versions.at(-1);
  if (newest === undefined) {
    const meant = await readLikelyRef(rows, "rule", ref);
    const trigger = { trigger: undefined, triggerMeant: undefined };
    return inSlices(explainEventsOfRule({ ref, versions: [], meant, events: [], ...trigger }));
  }
  const { ruleId, triggerRef } = newest;
  const events = await rowsOf(rows, readEventsForRule, { triggerRef, ruleId, countMax });
  const trigger = await rowOf(rows, readTriggerNow, triggerRef);
  const triggerMeant = trigger === undefined ? await readLikelyRef(rows, "trigger", triggerRef) : undefined;
  return inSlices(explainEventsOfRule({ ref, versions, meant: undefined, events, trigger, triggerMeant }));
}

/**
 * Whether the rule as it is now matches an event with that payload, even if the rule is disabled. Undefined: there is no such
 * rule.
 *
 * @param rows of one snapshot
 */
export async function tryStoredRule(
  rows: Queryable,
  ref: string,
  payload: JsonObject,
): Promise<RuleExplanation | undefined> {
  const version = (await readVersions(rows, ref)).at(-1);
  const rule = version === undefined ? undefined : ruleOf(version);
  if (version === undefined || rule?.ref !== ref) return undefined;
  const { id: ruleId, triggerRef } = rule;
  // The id is what a template of the parameters shows of an event that is not stored.
  const event = { id: "1", triggerRef, payload, sourceRef: null, occurredAt: null, triggerInstanceId: null };
  const story = explainRule({ ...rule, isEnabled: true }, event);
  const sentence = verdictSentence(ref, story);
  return { ruleId, ruleRef: ref, version: version.id, story, sentence, fate: null };
}

/** Of the rule that has the ref now, or had it last, in ascending order. */
async function readVersions(rows: Queryable, ref: string): Promise<readonly RuleVersion[]> {
  const all = await rowsOf(rows, readVersionsOfRef, ref);
  // A ref that was used again: the present rule has the newest version that carries it.
  const ruleId = all.findLast(({ ruleRef }) => ruleRef === ref)?.ruleId;
  return all.filter((version) => version.ruleId === ruleId);
}
