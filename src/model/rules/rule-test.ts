/** Holds the rules of a pack against test cases: an event each, and the rules that it should match. */
import { areEqual } from "../json/equality.ts";
import type { JsonObject, JsonValue } from "../json/json.ts";
import { meantText } from "../texts/meant-text.ts";
import { nearestRef } from "../texts/nearest-name.ts";
import { explainRule, verdictSentence, type ExplainableRule } from "./explain-rule.ts";
import { aimedRule } from "./rule-aim.ts";
import type { EventFacts } from "./rule-match.ts";

export interface RuleTestCase {
  readonly name: string;
  readonly event: EventFacts;
  /** The refs of exactly the rules that should match, each with parameters to compare: those named, no others. */
  readonly expected: ReadonlyMap<string, JsonObject>;
}

export interface RuleTestResult {
  /** One sentence for each difference; empty if the case passed. */
  readonly failures: readonly string[];
  /** The refs of the rules that matched. */
  readonly matched: readonly string[];
}

/**
 * @param rules whether they are enabled does not matter
 * @param triggers the refs of those that the packs define
 */
export function runRuleTest(
  { event, expected }: RuleTestCase,
  rules: readonly ExplainableRule[],
  triggers: readonly string[],
): RuleTestResult {
  const failures: string[] = [];
  const matched: string[] = [];
  // A misspelt trigger must not read as "nothing matches".
  const known = [...triggers, ...rules.map(({ triggerRef }) => triggerRef)];
  if (!known.includes(event.triggerRef)) {
    const hint = meantText(nearestRef(event.triggerRef, known));
    failures.push(`${event.triggerRef} is not a trigger of these packs or their rules${hint}`);
  }
  const refs = rules.map(({ ref }) => ref);
  // Nor must a misspelt rule that the event is for.
  const aimedAt = aimedRule(event.triggerInstanceId);
  for (const ref of new Set([...expected.keys(), ...(aimedAt === undefined ? [] : [aimedAt])])) {
    if (refs.includes(ref)) continue;
    failures.push(`${ref} is not a rule of these packs${meantText(nearestRef(ref, refs))}`);
  }
  for (const rule of rules) {
    const verdict = explainRule({ ...rule, isEnabled: true }, event);
    const params = expected.get(rule.ref);
    if (verdict.kind === "matched") {
      matched.push(rule.ref);
      if (params === undefined) failures.push(`${rule.ref} matches, which the case does not expect`);
      else failures.push(...differences(rule.ref, params, verdict.config));
    } else if (params !== undefined) {
      failures.push(verdictSentence(rule.ref, verdict));
    }
  }
  return { failures, matched };
}

function differences(ref: string, expected: JsonObject, rendered: JsonObject): readonly string[] {
  return Object.entries(expected).flatMap(([name, value]) => {
    const seen = Object.hasOwn(rendered, name) ? rendered[name] : undefined;
    if (seen === undefined) return [`${ref} matches, but its parameters have no ${name}`];
    if (areEqual(seen, value)) return [];
    return [`${ref} matches, but its parameter ${name} is ${textOf(seen)}, not ${textOf(value)}`];
  });
}

function textOf(value: JsonValue): string {
  return JSON.stringify(value);
}
