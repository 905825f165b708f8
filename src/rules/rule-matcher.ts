/**
 * Applies rules to one event at a time: to an event that is already stored (for example to match it again
 * after a repair), or to try out conditions. The pipeline matches new events in batches. Both use the same
 * compiled rules and store the same rows.
 */
import { addEnforcements } from "../database/add-enforcements.ts";
import type { Database } from "../database/database.ts";
import { rowOf, rowsOf } from "../database/statement.ts";
import { findEnforcements } from "../database/statements/added-enforcements.ts";
import { getEvent } from "../database/statements/events.ts";
import { compileConditions, holds, type ConditionNode } from "../model/conditions/condition.ts";
import { nextStamp, PredicateTable } from "../model/conditions/predicate.ts";
import type { Decoded } from "../model/json/decoded.ts";
import type { Id } from "../model/identifiers.ts";
import type { JsonObject, JsonValue } from "../model/json/json.ts";
import type { EventFacts, RuleMatch, RuleSource } from "../model/rules/rule-match.ts";
import { aimOf, factsOf } from "../model/rules/stored-facts.ts";
import { TextBudget } from "../model/texts/text-budget.ts";
import { compileRule, matchOf, type RuleText } from "../model/rules/compiled-rule.ts";

export interface RuleMatcherOptions {
  readonly database: Pick<Database, "query" | "transaction">;
  readonly rules: RuleSource;
  readonly installationId: string;
  readonly outlet: StoredMessageOutlet;
}

/** Publishes messages from their rows. */
export interface StoredMessageOutlet {
  /** The instance under whose name the messages are stored. */
  readonly instance: string;
  /** Takes messages that have been committed, or nobody would look for them until `events.sweep_interval` has passed. */
  leave(messageIds: readonly string[]): void;
}

/** A rule's conditions, templates or parameters are invalid; the message says where and why. */
export class InvalidRuleError extends Error {
  override readonly name = "InvalidRuleError";
}

/** How often matching is retried because the rules changed before its enforcements were stored. */
const attemptsMax = 10;

export class RuleMatcher {
  readonly #options: RuleMatcherOptions;

  constructor(options: RuleMatcherOptions) {
    this.#options = options;
  }

  /**
   * Matches a stored event against all rules and stores the missing enforcements.
   *
   * @returns the ids of its enforcements for the rules that match now, in order of rule; undefined if the event
   *   does not exist
   * @throws TextBudgetError
   */
  async matchEvent(eventId: Id): Promise<readonly Id[] | undefined> {
    const { database, rules } = this.#options;
    const event = await rowOf(database, getEvent, { id: eventId });
    if (event === undefined) return undefined;

    for (let attempt = 1; attempt <= attemptsMax; attempt += 1) {
      const set = await rules.refresh();
      const matches = set.match(factsOf(event, aimOf(event)));
      const { triggerRef } = event;
      // The set keeps no revision of a trigger that is gone with its rules, and there is nothing to store.
      if (matches.length === 0 && set.trigger(triggerRef) === undefined) return [];
      if (await this.#store(eventId, matches, { [triggerRef]: set.revisionOf(triggerRef) }))
        return await this.#storedIds(eventId, matches);
    }
    throw new Error(`the rules changed ${attemptsMax} times while event ${eventId} was matched`);
  }

  /** @throws InvalidRuleError */
  evaluateRuleConditions(rule: Pick<RuleText, "conditions">, event: Pick<EventFacts, "payload">): boolean {
    return evaluate(rule.conditions, event.payload);
  }

  /** @throws InvalidRuleError */
  evaluateCondition(condition: JsonValue, payload: JsonObject): boolean {
    return evaluate(condition, payload);
  }

  /**
   * Stores an enforcement of this rule for a stored event, unless there is one, regardless of the rule's
   * conditions.
   *
   * @returns its id; undefined if the event does not exist
   * @throws InvalidRuleError, TextBudgetError
   */
  async createEnforcement(rule: RuleText, eventId: Id): Promise<Id | undefined> {
    const event = await rowOf(this.#options.database, getEvent, { id: eventId });
    if (event === undefined) return undefined;
    const matches = [
      matchOf(usable(compileRule(rule, new PredicateTable())), factsOf(event, null), new TextBudget()),
    ];
    await this.#store(eventId, matches, {});
    const [id] = await this.#storedIds(eventId, matches);
    return id;
  }

  /** @returns false if one of these revisions of triggers is no longer the newest; nothing is stored then */
  async #store(
    eventId: Id,
    matches: readonly RuleMatch[],
    triggerRevisions: Readonly<Record<string, Id>>,
  ): Promise<boolean> {
    const { database, installationId, outlet } = this.#options;
    const added = await addEnforcements(database, {
      installationId,
      eventId,
      matches,
      triggerRevisions,
      replayedFrom: null,
      publisherInstance: outlet.instance,
    });
    if (added === undefined) return false;
    if (added.enforcements.length > 0) outlet.leave(added.enforcements.map(({ messageId }) => messageId));
    return true;
  }

  async #storedIds(eventId: Id, matches: readonly RuleMatch[]): Promise<readonly Id[]> {
    const ruleIds = matches.map(({ ruleId }) => ruleId);
    const rows = await rowsOf(this.#options.database, findEnforcements, { eventId, ruleIds });
    return rows.map(({ id }) => id);
  }
}

function evaluate(conditions: JsonValue, payload: JsonObject): boolean {
  const root: ConditionNode = usable(compileConditions(conditions, new PredicateTable())).root;
  return holds(root, payload, nextStamp());
}

function usable<Value>(compiled: Decoded<Value>): Value {
  if (compiled.kind === "invalid") throw new InvalidRuleError(compiled.problem);
  return compiled.value;
}
