/**
 * The interface of compiled rules and triggers that the event pipeline uses.
 */
import type { TriggerDefinition } from "../definitions.ts";
import type { Id } from "../identifiers.ts";
import type { JsonObject } from "../json/json.ts";
import type { TextBudget } from "../texts/text-budget.ts";

/** What conditions and templates can read. */
export interface EventFacts {
  readonly id: Id;
  readonly triggerRef: string;
  readonly payload: JsonObject;
  readonly sourceRef: string | null;
  /** RFC 3339, or null when the source gave none. */
  readonly occurredAt: string | null;
  /** `rule_<id>` or `rule_<ref>`: only that rule is considered. */
  readonly triggerInstanceId: string | null;
}

export interface RuleMatch {
  readonly ruleId: Id;
  readonly ruleRef: string;
  /** Null if the rule's action does not exist. */
  readonly actionId: Id | null;
  readonly actionRef: string;
  /** For enforcement.condition: `any` when the rule's outermost combination is `any`. */
  readonly condition: "all" | "any";
  /** The rule's conditions as an array in JSON, for enforcement.conditions. */
  readonly conditionsJson: string;
  /** The rule's action_params with its templates rendered for this event. */
  readonly config: JsonObject;
}

export interface RuleSet {
  /** The newest revision of the trigger or a rule on it; "0" if there has been none, or neither exists any more. */
  revisionOf(triggerRef: string): Id;
  trigger(ref: string): TriggerDefinition | undefined;
  /**
   * Every enabled, valid rule that matches, in order of rule id.
   *
   * @param budget for the text that templates render; a fresh one by default
   * @throws TextBudgetError
   */
  match(event: EventFacts, budget?: TextBudget): readonly RuleMatch[];
}

export interface RuleSource {
  /** The newest compiled set. */
  current(): RuleSet;
  /** Rereads the rules if the database's revision has changed, and resolves to the newest set. */
  refresh(): Promise<RuleSet>;
}
