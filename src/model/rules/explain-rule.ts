/** Says whether one rule matches one event, and if not, why: the same decision as matching, with its reasons. */
import { explainConditions, type FailedComparison } from "../conditions/explain-conditions.ts";
import { PredicateTable } from "../conditions/predicate.ts";
import type { Decoded } from "../json/decoded.ts";
import type { JsonObject } from "../json/json.ts";
import { TextBudget, TextBudgetError } from "../texts/text-budget.ts";
import { compileRule, matchOf, type CompiledRule, type RuleText } from "./compiled-rule.ts";
import { aimedRule } from "./rule-aim.ts";
import type { EventFacts } from "./rule-match.ts";

/** A rule as stored, and whether it is enabled. */
export interface ExplainableRule extends RuleText {
  readonly isEnabled: boolean;
}

export type RuleVerdict =
  | {
      readonly kind: "matched";
      /** The rendered action_params. */
      readonly config: JsonObject;
    }
  | {
      readonly kind: "unmatched";
      /** At least one, in the order in which the conditions are written. */
      readonly failures: readonly FailedComparison[];
      readonly counterfactual: string | undefined;
    }
  /** It cannot match any event. */
  | { readonly kind: "invalid"; readonly reason: string }
  | { readonly kind: "disabled" }
  | { readonly kind: "other-trigger"; readonly triggerRef: string; readonly ofEvent: string }
  /** The event is for another rule only. */
  | { readonly kind: "aimed-elsewhere"; readonly at: string }
  /** Its conditions hold, but its action_params become too long. */
  | { readonly kind: "too-long"; readonly reason: string };

/** A rule that can explain any number of events. */
export interface PreparedRule {
  readonly rule: ExplainableRule;
  readonly compiled: Decoded<CompiledRule>;
}

/** @param predicates to share with other rules */
export function prepareRule(rule: ExplainableRule, predicates = new PredicateTable()): PreparedRule {
  return { rule, compiled: compileRule(rule, predicates) };
}

export function explainRule(
  rule: ExplainableRule,
  event: EventFacts,
  predicates?: PredicateTable,
): RuleVerdict {
  return explainPrepared(prepareRule(rule, predicates), event);
}

/** Conditions count even of a disabled rule only in its verdict's text: it matches nothing. */
export function explainPrepared({ rule, compiled }: PreparedRule, event: EventFacts): RuleVerdict {
  if (rule.triggerRef !== event.triggerRef) {
    return { kind: "other-trigger", triggerRef: rule.triggerRef, ofEvent: event.triggerRef };
  }
  const aimedAt = aimedRule(event.triggerInstanceId);
  if (aimedAt !== undefined && aimedAt !== rule.id && aimedAt !== rule.ref)
    return { kind: "aimed-elsewhere", at: aimedAt };
  if (compiled.kind === "invalid") return { kind: "invalid", reason: compiled.problem };
  if (!rule.isEnabled) return { kind: "disabled" };
  const { isHeld, failures, counterfactual } = explainConditions(
    compiled.value.root,
    rule.conditions,
    event.payload,
  );
  if (!isHeld) return { kind: "unmatched", failures, counterfactual };
  try {
    return { kind: "matched", config: matchOf(compiled.value, event, new TextBudget()).config };
  } catch (error) {
    if (error instanceof TextBudgetError) return { kind: "too-long", reason: error.message };
    throw error;
  }
}

/** The verdict in one sentence; the answer to "why did it not match?". */
export function verdictSentence(ruleRef: string, verdict: RuleVerdict): string {
  switch (verdict.kind) {
    case "matched":
      return `${ruleRef} matches`;
    case "unmatched": {
      const [first] = verdict.failures;
      const more = verdict.failures.length - 1;
      const others = more === 0 ? "" : ` (and ${more} more ${more === 1 ? "condition" : "conditions"})`;
      const reason = first === undefined ? "its conditions can never hold" : failureText(first);
      return `${ruleRef} does not match: ${reason}${others}`;
    }
    case "invalid":
      return `${ruleRef} is invalid and matches nothing: ${verdict.reason}`;
    case "disabled":
      return `${ruleRef} is disabled`;
    case "other-trigger":
      return `${ruleRef} does not match: it is a rule for the trigger ${verdict.triggerRef}, and the event has the trigger ${verdict.ofEvent}`;
    case "aimed-elsewhere":
      return `${ruleRef} does not match: the event is for the rule ${verdict.at} only`;
    case "too-long":
      return `${ruleRef} matches, but its action cannot be told: ${verdict.reason}`;
  }
}

/** Like `` conditions[0]: `level` is "Info", not "info" (they differ only in case) ``. */
export function failureText({ place, sentence, hint }: FailedComparison): string {
  return `${place}: ${sentence}${hint === undefined ? "" : ` (${hint})`}`;
}
