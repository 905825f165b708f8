/**
 * A compiled rule, with all that matching needs; shared by all sets in which it is unchanged. An agent may have 100,000 of
 * them, so each field counts.
 *
 * Its parameters are checked when it is compiled, but kept as text until it first matches: of many rules most rarely do, and
 * compiled templates take ten times as much memory as their text.
 */
import { compileConditions, type ConditionNode } from "../conditions/condition.ts";
import type { PredicateTable } from "../conditions/predicate.ts";
import { invalid, valid, type Decoded } from "../json/decoded.ts";
import type { Id } from "../identifiers.ts";
import { isJsonObject, objectOf, type JsonObject, type JsonValue } from "../json/json.ts";
import { isAtMostDeep } from "../json/equality.ts";
import { jsonDepthMax, parseJson } from "../json/json-text.ts";
import type { EventFacts, RuleMatch } from "./rule-match.ts";
import type { TextBudget } from "../texts/text-budget.ts";
import { compileTemplates, type Template } from "../templates/template.ts";
import type { PlacedProblem } from "../placed-problem.ts";
import { SharedTexts } from "../texts/shared-texts.ts";

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
  /** The id as a number, which compares faster; beyond 2^53, the nearest. */
  readonly rank: number;
  readonly ref: string;
  readonly triggerRef: string;
  readonly actionId: Id | null;
  readonly actionRef: string;
  readonly triggerParams: JsonObject;
  readonly root: ConditionNode;
  /** Its outermost conditions, as an enforcement records them. */
  readonly conditionsJson: string;
  /** Why its conditions are probably not what their author meant. */
  readonly doubts: readonly PlacedProblem[];
  /** Its action_params, which are valid. */
  readonly paramsJson: string;
  /** Undefined until it first matches. */
  outcome: Outcome | undefined;
}

/** What its matches are: all the same, if its parameters depend on no event. */
type Outcome =
  | { readonly kind: "constant"; readonly match: RuleMatch }
  | Extract<Template<JsonObject>, { kind: "rendered" }>;

/** @param texts to share with other rules */
export function compileRule(
  rule: RuleText,
  predicates: PredicateTable,
  texts = new SharedTexts(),
): Decoded<CompiledRule> {
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
  const { root, listedJson, doubts } = conditions.value;
  return valid({
    kind: "usable",
    id,
    rank: Number(id),
    ref,
    triggerRef: texts.shared(triggerRef),
    actionId: actionId === null ? null : texts.shared(actionId),
    actionRef: texts.shared(actionRef),
    triggerParams: isEmpty(triggerParams) ? noParams : triggerParams,
    root,
    conditionsJson: texts.shared(listedJson),
    doubts,
    paramsJson: isEmpty(actionParams) ? "{}" : texts.shared(JSON.stringify(actionParams)),
    outcome: undefined,
  });
}

const noParams: JsonObject = {};

function isEmpty(params: JsonObject): boolean {
  return Object.keys(params).length === 0;
}

/**
 * The record of this rule matching this event. Does not check the conditions.
 *
 * @throws TextBudgetError
 */
export function matchOf(rule: CompiledRule, event: EventFacts, budget: TextBudget): RuleMatch {
  const outcome = (rule.outcome ??= outcomeOf(rule));
  if (outcome.kind === "constant") return outcome.match;
  return matchWith(rule, outcome.render({ event, rule, budget }));
}

function outcomeOf(rule: CompiledRule): Outcome {
  const template = compileTemplates(objectOf(parseJson(rule.paramsJson)), "action_params");
  // They were compiled before.
  if (template.kind === "invalid") throw new Error(`rule ${rule.ref}: ${template.problem}`);
  return template.value.kind === "constant"
    ? { kind: "constant", match: matchWith(rule, template.value.value) }
    : template.value;
}

function matchWith(rule: CompiledRule, config: JsonObject): RuleMatch {
  const { id, ref, actionId, actionRef, root, conditionsJson } = rule;
  return {
    ruleId: id,
    ruleRef: ref,
    actionId,
    actionRef,
    condition: root.kind === "any" ? "any" : "all",
    conditionsJson,
    config,
  };
}
