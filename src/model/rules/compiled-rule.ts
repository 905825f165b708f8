/** A compiled rule, with all that matching and rendering need; shared by all sets in which it is unchanged. */
import { compileConditions, type Conditions } from "../conditions/condition.ts";
import type { PredicateTable } from "../conditions/predicate.ts";
import { invalid, valid, type Decoded } from "../json/decoded.ts";
import type { Id } from "../identifiers.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../json/json.ts";
import { isAtMostDeep } from "../json/equality.ts";
import { jsonDepthMax } from "../json/json-text.ts";
import type { EventFacts, RuleMatch } from "./rule-match.ts";
import type { TextBudget } from "../texts/text-budget.ts";
import { compileTemplates, type Template } from "../templates/template.ts";

/** A rule as stored. */
export interface RuleText {
  readonly id: Id;
  readonly ref: string;
  readonly triggerRef: string;
  readonly actionId: Id | null;
  readonly actionRef: string;
  readonly conditions: JsonValue;
  readonly triggerParams: JsonValue;
  readonly actionParams: JsonValue;
}

export interface CompiledRule {
  readonly kind: "usable";
  readonly id: Id;
  readonly ref: string;
  readonly triggerRef: string;
  readonly actionId: Id | null;
  readonly actionRef: string;
  readonly triggerParams: JsonObject;
  readonly conditions: Conditions;
  readonly config: Template<JsonObject>;
  /** What every match of it is, if its parameters depend on no event. */
  readonly constantMatch: RuleMatch | undefined;
}

export function compileRule(rule: RuleText, predicates: PredicateTable): Decoded<CompiledRule> {
  const { id, ref, triggerRef, actionId, actionRef, triggerParams, actionParams } = rule;
  if (!isJsonObject(triggerParams)) return invalid("trigger_params: must be an object");
  if (!isJsonObject(actionParams)) return invalid("action_params: must be an object");
  if (!isAtMostDeep(triggerParams, jsonDepthMax))
    return invalid(`trigger_params: are nested more than ${jsonDepthMax} levels deep`);
  const conditions = compileConditions(rule.conditions, predicates);
  const config = compileTemplates(actionParams, "action_params");
  if (conditions.kind === "invalid" && config.kind === "invalid") {
    return invalid(`${conditions.problem}; ${config.problem}`);
  }
  if (conditions.kind === "invalid") return conditions;
  if (config.kind === "invalid") return config;

  const compiled = {
    kind: "usable",
    id,
    ref,
    triggerRef,
    actionId,
    actionRef,
    triggerParams,
    conditions: conditions.value,
    config: config.value,
  } as const;
  const constantMatch =
    config.value.kind === "constant" ? matchWith(compiled, config.value.value) : undefined;
  return valid({ ...compiled, constantMatch });
}

/**
 * The record of this rule matching this event. Does not check the conditions.
 *
 * @throws TextBudgetError
 */
export function matchOf(rule: CompiledRule, event: EventFacts, budget: TextBudget): RuleMatch {
  const { constantMatch, config } = rule;
  if (constantMatch !== undefined) return constantMatch;
  return matchWith(rule, config.kind === "constant" ? config.value : config.render({ event, rule, budget }));
}

function matchWith(rule: Omit<CompiledRule, "constantMatch">, config: JsonObject): RuleMatch {
  const { id, ref, actionId, actionRef, conditions } = rule;
  return {
    ruleId: id,
    ruleRef: ref,
    actionId,
    actionRef,
    condition: conditions.combination,
    conditionsJson: conditions.listedJson,
    config,
  };
}
