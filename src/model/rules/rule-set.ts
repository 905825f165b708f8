/**
 * The enabled rules and the triggers of one revision, compiled.
 *
 * A set is immutable. A draft builds the next set from the changes and shares everything else with its set, so its cost
 * depends on the changes alone: the maps by id and ref are sharded (sharded-map.ts), each trigger's rules are in levels
 * (trigger-rules.ts), and equal comparisons are shared with the rules of former sets. Building the indexes is a generator
 * that yields between slices of work, so that its caller can process events in between.
 */
import { holds, predicatesOf } from "../conditions/condition.ts";
import { nextStamp, PredicateTable } from "../conditions/predicate.ts";
import type { TriggerDefinition } from "../definitions.ts";
import type { Id } from "../identifiers.ts";
import { describePlaced } from "../placed-problem.ts";
import { SharedTexts } from "../texts/shared-texts.ts";
import { TextBudget } from "../texts/text-budget.ts";
import { compileRule, matchOf, type CompiledRule, type RuleText } from "./compiled-rule.ts";
import { aimedRule } from "./rule-aim.ts";
import type { EventFacts, RuleMatch, RuleSet } from "./rule-match.ts";
import { inOrder } from "./rule-order.ts";
import { ShardedMap, type ShardedMapEdit } from "./sharded-map.ts";
import {
  applyMerge,
  changeRules,
  findLiveRules,
  mergeLevels,
  nextMerge,
  type Merge,
  type TriggerRules,
} from "./trigger-rules.ts";

/** A rule that could not be compiled. */
interface UnusableRule {
  readonly kind: "unusable";
  readonly id: Id;
  readonly ref: string;
}

type KnownRule = CompiledRule | UnusableRule;

interface KnownTrigger {
  /** Of the trigger or a rule on it. */
  readonly revision: Id;
  /** Undefined if only rules name it. */
  readonly definition: TriggerDefinition | undefined;
}

interface Contents {
  readonly revision: Id;
  readonly rules: ShardedMap<KnownRule>;
  readonly idsByRef: ShardedMap<Id>;
  readonly triggers: ShardedMap<KnownTrigger>;
  readonly byTrigger: ShardedMap<TriggerRules>;
  /** Triggers with levels to merge. */
  readonly untidy: ReadonlySet<string>;
  readonly problems: ReadonlyMap<Id, string>;
  readonly doubts: ReadonlyMap<Id, string>;
  /** Shared by successive sets; only a draft uses it. */
  readonly predicates: PredicateTable;
}

export class CompiledRuleSet implements RuleSet {
  readonly #contents: Contents;

  private constructor(contents: Contents) {
    this.#contents = contents;
  }

  static empty(): CompiledRuleSet {
    return new CompiledRuleSet({
      revision: "0",
      rules: new ShardedMap(),
      idsByRef: new ShardedMap(),
      triggers: new ShardedMap(),
      byTrigger: new ShardedMap(),
      untidy: new Set(),
      problems: new Map(),
      doubts: new Map(),
      predicates: new PredicateTable(),
    });
  }

  /** The value of rule_revision at which the rules were read. */
  get revision(): Id {
    return this.#contents.revision;
  }

  /** Why rules could not be compiled, by rule id. */
  get problems(): ReadonlyMap<Id, string> {
    return this.#contents.problems;
  }

  /** Why the conditions of valid rules look wrong, by rule id. */
  get doubts(): ReadonlyMap<Id, string> {
    return this.#contents.doubts;
  }

  /** How many enabled rules compiled, and how many did not. */
  get counts(): { readonly valid: number; readonly invalid: number } {
    const { rules, problems } = this.#contents;
    return { valid: rules.size - problems.size, invalid: problems.size };
  }

  /** Distinct comparisons in the rules of the newest set. */
  get comparisonCount(): number {
    return this.#contents.predicates.size;
  }

  /** The ref of an enabled rule, even if it could not be compiled. */
  refOf(rule: Id): string | undefined {
    return this.#contents.rules.get(rule)?.ref;
  }

  revisionOf(triggerRef: string): Id {
    return this.#contents.triggers.get(triggerRef)?.revision ?? "0";
  }

  trigger(ref: string): TriggerDefinition | undefined {
    return this.#contents.triggers.get(ref)?.definition;
  }

  match(event: EventFacts, budget: TextBudget = new TextBudget()): readonly RuleMatch[] {
    return this.#found(event).map((rule) => matchOf(rule, event, budget));
  }

  /** The next set, to be made of changes. At most one draft of a set and of those made from it is used. */
  draft(): RuleSetDraft {
    return new RuleSetDraft(this.#contents, (contents) => new CompiledRuleSet(contents));
  }

  /** Prepares the next merge of levels; undefined if there is none. Yields between slices. */
  merging(): Generator<void, Merge> | undefined {
    const { untidy, byTrigger } = this.#contents;
    for (const triggerRef of untidy) {
      const rules = byTrigger.get(triggerRef);
      const replaced = rules === undefined ? [] : nextMerge(rules);
      if (replaced.length > 0) return mergeLevels(triggerRef, replaced, this.#isLive);
    }
    return undefined;
  }

  /** The same rules with that merge, or this set if the levels to merge are no longer part of it. */
  withMerge(merge: Merge): CompiledRuleSet {
    const { byTrigger, untidy } = this.#contents;
    const { triggerRef } = merge;
    const rules = byTrigger.get(triggerRef);
    const merged = rules === undefined ? undefined : applyMerge(rules, merge);
    if (merged === undefined) return this;
    const edit = byTrigger.edit();
    edit.set(triggerRef, merged);
    const others = new Set(untidy);
    if (nextMerge(merged).length === 0) others.delete(triggerRef);
    return new CompiledRuleSet({ ...this.#contents, byTrigger: edit.finish(), untidy: others });
  }

  readonly #isLive = (rule: CompiledRule): boolean => this.#contents.rules.get(rule.id) === rule;

  #found({ triggerRef, triggerInstanceId, payload }: EventFacts): readonly CompiledRule[] {
    const stamp = nextStamp();
    const aimedAt = aimedRule(triggerInstanceId);
    if (aimedAt !== undefined) {
      const rule = this.#aimed(triggerRef, aimedAt);
      return rule !== undefined && holds(rule.root, payload, stamp) ? [rule] : [];
    }
    const rules = this.#contents.byTrigger.get(triggerRef);
    if (rules === undefined) return [];
    const found: CompiledRule[] = [];
    findLiveRules(rules, payload, stamp, found, this.#isLive);
    return inOrder(found);
  }

  /** By id or by ref. If a ref looks like an id, `rule_7` still means the rule with id 7. */
  #aimed(triggerRef: string, name: string): CompiledRule | undefined {
    const { rules, idsByRef } = this.#contents;
    const onTrigger = (rule: KnownRule | undefined): CompiledRule | undefined =>
      rule?.kind === "usable" && rule.triggerRef === triggerRef ? rule : undefined;
    return onTrigger(rules.get(name)) ?? onTrigger(rules.get(idsByRef.get(name) ?? ""));
  }
}

/** Collects what has changed since a set. Each `put` compiles a rule. */
export class RuleSetDraft {
  readonly #contents: Contents;
  readonly #finished: (contents: Contents) => CompiledRuleSet;
  readonly #rules: ShardedMapEdit<KnownRule>;
  readonly #triggers: ShardedMapEdit<KnownTrigger>;
  readonly #touched = new Map<string, { readonly added: CompiledRule[]; countChange: number }>();
  /** The refs that rules had in the set, and have now. */
  readonly #formerRefs = new Map<Id, string>();
  readonly #refs = new Map<Id, string>();
  /** Refs without a trigger; forgotten unless rules name them. */
  readonly #undefinedTriggers = new Set<string>();
  readonly #texts = new SharedTexts();
  #problems: Map<Id, string> | undefined;
  #doubts: Map<Id, string> | undefined;

  constructor(contents: Contents, finished: (contents: Contents) => CompiledRuleSet) {
    this.#contents = contents;
    this.#finished = finished;
    this.#rules = contents.rules.edit();
    this.#triggers = contents.triggers.edit();
  }

  put(text: RuleText): void {
    const { id, ref, triggerRef } = text;
    const { predicates } = this.#contents;
    const compiled = compileRule(text, predicates, this.#texts);
    // Kept before those of the former rule are released, so that what they share is not compiled again.
    predicates.keep(compiled.kind === "valid" ? predicatesOf(compiled.value.root) : []);
    this.remove(id);
    if (compiled.kind === "invalid") {
      this.#rules.set(id, { kind: "unusable", id, ref });
      this.#problemsToChange().set(id, compiled.problem);
    } else {
      const rule = compiled.value;
      this.#rules.set(id, rule);
      const touched = this.#touch(triggerRef);
      touched.added.push(rule);
      touched.countChange += 1;
      const { doubts } = rule;
      if (doubts.length > 0) this.#doubtsToChange().set(id, describePlaced(doubts));
    }
    this.#refs.set(id, ref);
  }

  remove(id: Id): void {
    const known = this.#rules.get(id);
    if (known === undefined) return;
    if (this.#refs.has(id)) this.#refs.delete(id);
    else this.#formerRefs.set(id, known.ref);
    this.#rules.delete(id);
    if (known.kind === "usable") {
      this.#contents.predicates.release(predicatesOf(known.root));
      this.#touch(known.triggerRef).countChange -= 1;
    }
    if ((this.#problems ?? this.#contents.problems).has(id)) this.#problemsToChange().delete(id);
    if ((this.#doubts ?? this.#contents.doubts).has(id)) this.#doubtsToChange().delete(id);
  }

  putTrigger(ref: string, revision: Id, definition: TriggerDefinition | undefined): void {
    this.#triggers.set(ref, { revision, definition });
    if (definition === undefined) this.#undefinedTriggers.add(ref);
    else this.#undefinedTriggers.delete(ref);
  }

  /** The finished set. Yields between slices; the draft is not used any more. */
  *finish(revision: Id): Generator<void, CompiledRuleSet> {
    const { idsByRef, byTrigger, untidy, problems, doubts, predicates } = this.#contents;
    const rules = this.#rules.finish();
    const isLive = (rule: CompiledRule): boolean => rules.get(rule.id) === rule;
    const ids = idsByRef.edit();
    yield* this.#renameRules(ids);

    const triggers = byTrigger.edit();
    const stillUntidy = new Set(untidy);
    for (const [triggerRef, { added, countChange }] of this.#touched) {
      yield;
      const previous = byTrigger.get(triggerRef);
      const count = (previous?.count ?? 0) + countChange;
      const next = yield* changeRules(previous, added.filter(isLive), count, isLive);
      if (next === undefined) triggers.delete(triggerRef);
      else triggers.set(triggerRef, next);
      if (next === undefined || nextMerge(next).length === 0) stillUntidy.delete(triggerRef);
      else stillUntidy.add(triggerRef);
    }
    for (const ref of this.#undefinedTriggers) {
      yield;
      if (triggers.get(ref) === undefined) this.#triggers.delete(ref);
    }
    return this.#finished({
      revision,
      rules,
      idsByRef: ids.finish(),
      triggers: this.#triggers.finish(),
      byTrigger: triggers.finish(),
      untidy: stillUntidy,
      problems: this.#problems ?? problems,
      doubts: this.#doubts ?? doubts,
      predicates,
    });
  }

  /** Former refs first: another rule may have one now. */
  *#renameRules(ids: ShardedMapEdit<Id>): Generator<void, void> {
    for (const [id, ref] of this.#formerRefs) if (ids.get(ref) === id) ids.delete(ref);
    let count = 0;
    for (const [id, ref] of this.#refs) {
      ids.set(ref, id);
      count += 1;
      if (count % 1_000 === 0) yield;
    }
  }

  #touch(triggerRef: string): { readonly added: CompiledRule[]; countChange: number } {
    return this.#touched.getOrInsertComputed(triggerRef, () => ({ added: [], countChange: 0 }));
  }

  #problemsToChange(): Map<Id, string> {
    return (this.#problems ??= new Map(this.#contents.problems));
  }

  #doubtsToChange(): Map<Id, string> {
    return (this.#doubts ??= new Map(this.#contents.doubts));
  }
}
