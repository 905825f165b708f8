/** The matches by today's rules of an event that is replayed. */
import type { LoggedEvent } from "../database/statements/replays.ts";
import type { ReplayRequest } from "../model/rules/replay-request.ts";
import { aimAt } from "../model/rules/rule-aim.ts";
import type { RuleMatch, RuleSet } from "../model/rules/rule-match.ts";
import { aimOf, factsOf } from "../model/rules/stored-facts.ts";
import { TextBudgetError } from "../model/texts/text-budget.ts";

/** @returns a reason if the event cannot be replayed */
export function replayMatches(
  event: LoggedEvent,
  set: RuleSet,
  { rule }: Pick<ReplayRequest, "rule">,
): readonly RuleMatch[] | string {
  const { triggerRef } = event;
  const trigger = set.trigger(triggerRef);
  if (trigger === undefined) return `there is no trigger ${triggerRef} any more`;
  if (!trigger.enabled) return `the trigger ${triggerRef} is disabled`;
  try {
    const matches = set.match(factsOf(event, aimOf(event)));
    if (rule === null) return matches;
    const only = new Set(set.match(factsOf(event, aimAt(rule))).map(({ ruleId }) => ruleId));
    return matches.filter(({ ruleId }) => only.has(ruleId));
  } catch (error) {
    if (error instanceof TextBudgetError) return error.message;
    throw error;
  }
}
