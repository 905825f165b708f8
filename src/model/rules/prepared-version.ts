/** A version of a rule, decoded and compiled once, for any number of events. */
import { PredicateTable } from "../conditions/predicate.ts";
import { prepareRule, type PreparedRule } from "./explain-rule.ts";
import { ruleOf, type RuleVersion } from "./rules-at.ts";

export interface PreparedVersion {
  readonly version: RuleVersion;
  /** Undefined: the version says that the rule was deleted. */
  readonly prepared: PreparedRule | undefined;
}

/** @param predicates to share with other rules */
export function prepareVersion(version: RuleVersion, predicates = new PredicateTable()): PreparedVersion {
  const rule = ruleOf(version);
  return { version, prepared: rule === undefined ? undefined : prepareRule(rule, predicates) };
}
