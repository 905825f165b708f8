/**
 * The enabled rules and the triggers of one revision, compiled.
 *
 * A set is built from the rows of one snapshot and the previous set. Rules with unchanged rows are reused
 * together with their predicates and regular expressions, and triggers with unchanged rules keep their
 * index. Building is a generator that yields between slices of work, so that its caller can process events
 * in between. A finished set never changes.
 */
import { nextStamp, PredicateTable } from "../conditions/predicate.ts";
import { holds } from "../conditions/condition.ts";
import type { Decoded } from "../json/decoded.ts";
import type { TriggerDefinition } from "../definitions.ts";
import type { Id } from "../identifiers.ts";
import { describePlaced } from "../placed-problem.ts";
import { aimedRule } from "./rule-aim.ts";
import type { EventFacts, RuleMatch, RuleSet } from "./rule-match.ts";
import { TextBudget } from "../texts/text-budget.ts";
import { compileRule, matchOf, type CompiledRule, type RuleText } from "./compiled-rule.ts";
import { indexRules } from "./rule-filing.ts";
import { findRules, type RuleIndex } from "./rule-index.ts";

/** A rule's row: its id, and a text that changes whenever anything the rule is compiled from does. */
export interface RuleRow {
  readonly id: Id;
  readonly text: string;
}

export interface RuleSnapshot {
  readonly revision: Id;
  readonly triggers: readonly TriggerDefinition[];
  /** Enabled rules, each id once. */
  readonly rules: readonly RuleRow[];
  /** Called only for rows that are new or changed. */
  readonly decode: (row: RuleRow) => RuleText;
}

interface Outcome {
  readonly ref: string;
  readonly text: string;
  readonly compiled: Decoded<CompiledRule>;
}

interface TriggerRules {
  /** In order of id. */
  readonly rules: readonly CompiledRule[];
  readonly index: RuleIndex;
  /** By id and by ref. */
  readonly byName: ReadonlyMap<string, CompiledRule>;
}

const adoptionsPerSlice = 500;
const compilationsPerSlice = 50;

export class CompiledRuleSet implements RuleSet {
  readonly revision: Id;
  readonly #triggers: ReadonlyMap<string, TriggerDefinition>;
  readonly #outcomes: ReadonlyMap<Id, Outcome>;
  readonly #byTrigger: ReadonlyMap<string, TriggerRules>;

  /** Why rules could not be compiled, by rule id. */
  readonly problems: ReadonlyMap<Id, string>;

  /** Why the conditions of valid rules look wrong, by rule id. */
  readonly doubts: ReadonlyMap<Id, string>;

  private constructor(
    snapshot: RuleSnapshot,
    outcomes: ReadonlyMap<Id, Outcome>,
    byTrigger: ReadonlyMap<string, TriggerRules>,
  ) {
    this.revision = snapshot.revision;
    this.#triggers = new Map(snapshot.triggers.map((trigger) => [trigger.ref, trigger]));
    this.#outcomes = outcomes;
    this.#byTrigger = byTrigger;
    this.problems = new Map(
      [...outcomes].flatMap(([id, { compiled }]) =>
        compiled.kind === "invalid" ? [[id, compiled.problem] as const] : [],
      ),
    );
    this.doubts = new Map(
      [...outcomes].flatMap(([id, { compiled }]) => {
        const doubts = compiled.kind === "valid" ? compiled.value.conditions.doubts : [];
        return doubts.length === 0 ? [] : [[id, describePlaced(doubts)] as const];
      }),
    );
  }

  /** Yields between slices of a few milliseconds. */
  static *build(snapshot: RuleSnapshot, previous?: CompiledRuleSet): Generator<void, CompiledRuleSet> {
    const outcomes = yield* compileRows(snapshot, previous === undefined ? new Map() : previous.#outcomes);
    const byTrigger = yield* indexByTrigger(
      outcomes,
      previous === undefined ? new Map() : previous.#byTrigger,
    );
    return new CompiledRuleSet(snapshot, outcomes, byTrigger);
  }

  /** How many enabled rules compiled, and how many did not. */
  get counts(): { readonly valid: number; readonly invalid: number } {
    return { valid: this.#outcomes.size - this.problems.size, invalid: this.problems.size };
  }

  /** The ref of an enabled rule, even if it could not be compiled. */
  refOf(rule: Id): string | undefined {
    return this.#outcomes.get(rule)?.ref;
  }

  trigger(ref: string): TriggerDefinition | undefined {
    return this.#triggers.get(ref);
  }

  match(event: EventFacts, budget: TextBudget = new TextBudget()): readonly RuleMatch[] {
    const rules = this.#byTrigger.get(event.triggerRef);
    return rules === undefined ? [] : found(rules, event).map((rule) => matchOf(rule, event, budget));
  }
}

function found({ index, byName }: TriggerRules, event: EventFacts): readonly CompiledRule[] {
  const { payload, triggerInstanceId } = event;
  const stamp = nextStamp();
  const aimedAt = aimedRule(triggerInstanceId);
  if (aimedAt !== undefined) {
    const rule = byName.get(aimedAt);
    return rule !== undefined && holds(rule.conditions.root, payload, stamp) ? [rule] : [];
  }
  const rules: CompiledRule[] = [];
  findRules(index, payload, stamp, rules);
  return areAscending(rules) ? rules : [...new Set(rules)].toSorted(byId);
}

function* compileRows(
  { rules, decode }: RuleSnapshot,
  previous: ReadonlyMap<Id, Outcome>,
): Generator<void, ReadonlyMap<Id, Outcome>> {
  const predicates = new PredicateTable();
  const outcomes = new Map<Id, Outcome>();
  const changed: RuleRow[] = [];
  for (const row of rules) {
    const known = previous.get(row.id);
    if (known?.text === row.text) outcomes.set(row.id, known);
    else changed.push(row);
  }
  if (changed.length === 0) return outcomes;

  for (const [count, { compiled }] of [...outcomes.values()].entries()) {
    if (count % adoptionsPerSlice === adoptionsPerSlice - 1) yield;
    if (compiled.kind === "valid")
      compiled.value.predicates.forEach((predicate) => predicates.adopt(predicate));
  }
  for (const [count, row] of changed.entries()) {
    if (count % compilationsPerSlice === compilationsPerSlice - 1) yield;
    const rule = decode(row);
    outcomes.set(row.id, { ref: rule.ref, text: row.text, compiled: compileRule(rule, predicates) });
  }
  return outcomes;
}

function* indexByTrigger(
  outcomes: ReadonlyMap<Id, Outcome>,
  previous: ReadonlyMap<string, TriggerRules>,
): Generator<void, ReadonlyMap<string, TriggerRules>> {
  const rules = [...outcomes.values()].flatMap(({ compiled }) =>
    compiled.kind === "valid" ? [compiled.value] : [],
  );
  const byTrigger = new Map<string, TriggerRules>();
  for (const [triggerRef, unordered] of Map.groupBy(rules, (rule) => rule.triggerRef)) {
    yield;
    const ordered = unordered.toSorted(byId);
    const known = previous.get(triggerRef);
    const isUnchanged =
      known?.rules.length === ordered.length && ordered.every((rule, at) => rule === known.rules[at]);
    byTrigger.set(triggerRef, isUnchanged && known !== undefined ? known : yield* triggerRules(ordered));
  }
  return byTrigger;
}

function* triggerRules(rules: readonly CompiledRule[]): Generator<void, TriggerRules> {
  return {
    rules,
    index: yield* indexRules(rules),
    // Ids come last and win: if a ref looks like an id, `rule_7` still means the rule with id 7.
    byName: new Map([
      ...rules.map((rule) => [rule.ref, rule] as const),
      ...rules.map((rule) => [rule.id, rule] as const),
    ]),
  };
}

/** Whether they are already in order and distinct, as they are when they come from one drawer. */
function areAscending(rules: readonly CompiledRule[]): boolean {
  let previous: CompiledRule | undefined;
  for (const rule of rules) {
    if (previous !== undefined && byId(previous, rule) >= 0) return false;
    previous = rule;
  }
  return true;
}

/** Ids are decimal text without leading zeros, so the longer one is greater. */
function byId(one: CompiledRule, other: CompiledRule): number {
  if (one.id === other.id) return 0;
  return one.id.length - other.id.length || (one.id < other.id ? -1 : 1);
}
