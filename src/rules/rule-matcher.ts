/**
 * Rules applied to one event at a time: to an event that is stored already (matched again after a
 * repair, say), and to conditions that someone wants to try. New events are matched in batches by the
 * pipeline; both use the same compiled rules, and what is stored here is what the pipeline stores.
 */
import { rowOf, rowsOf } from "../database/statement.ts";
import type { Queryable } from "../database/database.ts";
import { getEvent, type StoredEvent } from "../database/statements/events.ts";
import { reserveIds } from "../database/statements/id-sequences.ts";
import { findEnforcements, storeEnforcements } from "../database/statements/rules.ts";
import { compileConditions, holds, type ConditionNode } from "../model/conditions/condition.ts";
import { nextStamp, PredicateTable } from "../model/conditions/predicate.ts";
import type { Decoded } from "../model/json/decoded.ts";
import { messageId, type Id } from "../model/identifiers.ts";
import type { JsonObject, JsonValue } from "../model/json/json.ts";
import { aimAt } from "../model/rules/rule-aim.ts";
import type { EventFacts, RuleMatch, RuleSource } from "../model/rules/rule-match.ts";
import { TextRoom } from "../model/texts/byte-budget.ts";
import { compileRule, matchOf, type RuleText } from "../model/rules/compiled-rule.ts";

export interface RuleMatcherOptions {
  readonly database: Queryable;
  readonly rules: RuleSource;
  readonly installationId: string;
}

/** The conditions, templates or parameters of a rule cannot be used; the message says where and why. */
export class InvalidRuleError extends Error {
  override readonly name = "InvalidRuleError";
}

/** How often an event is matched again because the rules changed while its enforcements were stored. */
const attemptsMax = 10;

export class RuleMatcher {
  readonly #options: RuleMatcherOptions;

  constructor(options: RuleMatcherOptions) {
    this.#options = options;
  }

  /**
   * Matches a stored event with all rules and stores the enforcements that it lacks.
   *
   * @returns the ids of its enforcements by the rules that match now, in order of rule; undefined when
   *   there is no such event
   * @throws TooMuchTextError
   */
  async matchEvent(eventId: Id): Promise<readonly Id[] | undefined> {
    const { database, rules } = this.#options;
    const event = await rowOf(database, getEvent, { id: eventId });
    if (event === undefined) return undefined;

    for (let attempt = 1; attempt <= attemptsMax; attempt += 1) {
      const set = await rules.refresh();
      const matches = set.match(factsOf(event, aimOf(event)));
      if (await this.#store(eventId, matches, set.revision)) return await this.#storedIds(eventId, matches);
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
   * Stores an enforcement of this rule for a stored event, whatever the rule's conditions say, unless
   * there is one.
   *
   * @returns its id; undefined when there is no such event
   * @throws InvalidRuleError, TooMuchTextError
   */
  async createEnforcement(rule: RuleText, eventId: Id): Promise<Id | undefined> {
    const event = await rowOf(this.#options.database, getEvent, { id: eventId });
    if (event === undefined) return undefined;
    const matches = [
      matchOf(usable(compileRule(rule, new PredicateTable())), factsOf(event, null), new TextRoom()),
    ];
    await this.#store(eventId, matches, null);
    const [id] = await this.#storedIds(eventId, matches);
    return id;
  }

  /** Whether the revision was still the newest; if not, nothing was stored. */
  async #store(eventId: Id, matches: readonly RuleMatch[], revision: Id | null): Promise<boolean> {
    const { database, installationId } = this.#options;
    const reserved = await rowOf(database, reserveIds, {
      sequence: "enforcement_id_seq",
      count: matches.length,
    });
    const enforcements = matches.map((match, index) => {
      const id = reserved?.ids[index] ?? "";
      return { ...match, id, messageId: messageId(installationId, "enforcement", id) };
    });
    const stored = await rowOf(database, storeEnforcements, { eventId, enforcements, revision });
    return stored?.isCurrent === true;
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

/** An event that was aimed at a rule is stored with the name it was aimed by. */
function aimOf({ ruleRef }: StoredEvent): string | null {
  return ruleRef === null ? null : aimAt(ruleRef);
}

function factsOf(event: StoredEvent, triggerInstanceId: string | null): EventFacts {
  return {
    id: event.id,
    triggerRef: event.triggerRef,
    payload: event.payload,
    sourceRef: event.sourceRef,
    occurredAt: event.occurredAt?.toISOString() ?? null,
    triggerInstanceId,
  };
}
