import { rowsOf } from "../../database/statement.ts";
import {
  readRuleConditions,
  readRuleProblems,
  readStrayRules,
  type RuleConditions,
  type StrayRule,
} from "../../database/statements/rule-diagnosis.ts";
import { reviewConditions } from "../../model/conditions/condition.ts";
import { describePlaced } from "../../model/placed-problem.ts";
import { good, notice, wrong, type Finding } from "../finding.ts";
import type { Look } from "../look.ts";

/**
 * Finds enabled rules that agents could not compile, that refer to a missing or mismatched trigger, or whose
 * conditions look wrong.
 */
export async function checkRules({ rows }: Look): Promise<readonly Finding[]> {
  const problems = await rowsOf(rows, readRuleProblems, undefined);
  const stray = await rowsOf(rows, readStrayRules, undefined);
  const doubtful = (await rowsOf(rows, readRuleConditions, undefined)).flatMap(doubtFindings);
  const isWell = problems.length === 0 && stray.length === 0;
  return [
    ...(isWell ? [good("rules", "no enabled rule is invalid or without its trigger")] : []),
    ...problems.map(({ ruleRef, problem, since }) =>
      wrong(`rule ${ruleRef}`, `is invalid and matches nothing: ${problem}`, {
        remedy: "correct its conditions or action_params; agents pick up the change within a second",
        facts: { rule: ruleRef, problem, since },
      }),
    ),
    ...stray.map(strayFinding),
    ...doubtful,
  ];
}

function doubtFindings({ ruleRef, conditions }: RuleConditions): readonly Finding[] {
  const { problems, doubts } = reviewConditions(conditions);
  if (problems.length > 0 || doubts.length === 0) return [];
  const reason = describePlaced(doubts);
  return [
    notice(`rule ${ruleRef}`, `has conditions that look wrong: ${reason}`, {
      facts: { rule: ruleRef, reason },
    }),
  ];
}

function strayFinding(rule: StrayRule): Finding {
  const { ruleRef, triggerRef, isTriggerKnown, pointedRef } = rule;
  const subject = `rule ${ruleRef}`;
  const facts = { rule };
  if (!isTriggerKnown) {
    const pointed =
      pointedRef === null ? "" : ` (its trigger id points to ${pointedRef}, but only trigger_ref counts)`;
    return wrong(
      subject,
      `matches nothing: its trigger_ref names ${triggerRef}, which does not exist${pointed}`,
      {
        remedy:
          "load the pack that defines the trigger, or correct the rule's trigger_ref, or disable the rule",
        facts,
      },
    );
  }
  return wrong(
    subject,
    `its trigger_ref names ${triggerRef}, whose events it matches, but its trigger id points to ${pointedRef}`,
    {
      remedy: `correct the one that is wrong; to keep ${triggerRef}: update rule set trigger = (select id from trigger where ref = trigger_ref) where ref = '${ruleRef}'`,
      facts,
    },
  );
}
