/** Reads the last events of a rule's trigger, and explains which of them it matched. */
import type { Queryable } from "../database/database.ts";
import { rowOf, rowsOf } from "../database/statement.ts";
import {
  readEventsForRule,
  readTriggerNow,
  readVersionsOfRef,
} from "../database/statements/rule-versions.ts";
import { explainEventsOfRule, type RuleEventsExplanation } from "../model/rules/explain-events-of-rule.ts";
import { readLikelyRef } from "./event-explanation.ts";

/** @param rows of one snapshot */
export async function explainStoredRule(
  rows: Queryable,
  ref: string,
  countMax: number,
): Promise<RuleEventsExplanation> {
  const all = await rowsOf(rows, readVersionsOfRef, ref);
  // A ref that was used again: the present rule has the newest version that carries it.
  const ruleId = all.findLast(({ ruleRef }) => ruleRef === ref)?.ruleId;
  const versions = all.filter((version) => version.ruleId === ruleId);
  const triggerRef = versions.at(-1)?.triggerRef;
  if (ruleId === undefined || triggerRef === undefined) {
    const meant = await readLikelyRef(rows, ref);
    return explainEventsOfRule({ ref, versions: [], meant, events: [], trigger: undefined });
  }
  return explainEventsOfRule({
    ref,
    versions,
    meant: undefined,
    events: await rowsOf(rows, readEventsForRule, { triggerRef, ruleId, countMax }),
    trigger: await rowOf(rows, readTriggerNow, triggerRef),
  });
}
