/** Compiles rules without a database. */
import type { RuleText } from "../../src/model/rules/compiled-rule.ts";
import { CompiledRuleSet } from "../../src/model/rules/rule-set.ts";

/** The set of exactly these rules, made from a former set of others. */
export function ruleSetOf(
  rules: readonly RuleText[],
  former: { readonly set: CompiledRuleSet; readonly rules: readonly RuleText[] } = {
    set: CompiledRuleSet.empty(),
    rules: [],
  },
): CompiledRuleSet {
  const draft = former.set.draft();
  const texts = new Map(former.rules.map((rule) => [rule.id, JSON.stringify(rule)]));
  const ids = new Set(rules.map(({ id }) => id));
  for (const { id } of former.rules) if (!ids.has(id)) draft.remove(id);
  for (const rule of rules) if (texts.get(rule.id) !== JSON.stringify(rule)) draft.put(rule);
  return finished(draft.finish("1"));
}

export function finished<Result>(work: Generator<void, Result>): Result {
  for (;;) {
    const step = work.next();
    if (step.done === true) return step.value;
  }
}

/** The same set with all levels merged that are to be merged. */
export function tidied(set: CompiledRuleSet): CompiledRuleSet {
  const merging = set.merging();
  return merging === undefined ? set : tidied(set.withMerge(finished(merging)));
}
