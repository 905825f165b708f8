/**
 * Builds a trigger's index by choosing a place for each rule.
 *
 * A rule is filed under the equalities of the conjunct whose equalities the fewest rules share; without
 * any, under its predicate that the most rules share; otherwise in the rest. A large drawer is indexed again
 * by the remaining conditions of its rules, so an equality that all rules share does no harm. Each step
 * removes the condition that a rule was filed by, so the recursion ends.
 *
 * Everything here yields between slices of work, since a trigger may have ten thousand rules.
 */
import type { Predicate } from "../conditions/predicate.ts";
import type { FieldPath } from "../paths/field-path.ts";
import type { LookupKey } from "../json/json.ts";
import type { CompiledRule } from "./compiled-rule.ts";
import { conjunctsOf, type Conjunct, type Equality } from "./conjunct.ts";
import type { Drawer, FieldDrawers, FiledRule, RuleIndex } from "./rule-index.ts";

/** A rule and its conjuncts that its place so far does not imply. */
interface UnfiledRule {
  readonly rule: CompiledRule;
  readonly left: readonly Conjunct[];
}

/** A drawer above this many rules is indexed again. */
const drawerMax = 24;
/** A predicate shared by fewer rules than this is not worth a drawer. */
const sharersMin = 4;
const rulesPerSlice = 100;

export function* indexRules(rules: readonly CompiledRule[]): Generator<void, RuleIndex> {
  const unfiled: UnfiledRule[] = [];
  let count = 0;
  for (const rule of rules) {
    if (isSliceEnd(count++)) yield;
    unfiled.push({ rule, left: conjunctsOf(rule.root) });
  }
  return yield* fileRules(unfiled);
}

function* fileRules(unfiled: readonly UnfiledRule[]): Generator<void, RuleIndex> {
  const { byField, others } = yield* fileByEquality(unfiled);
  const { byPredicate, rest } = yield* fileByPredicate(others);
  const fields: FieldDrawers[] = [];
  for (const { path, byValue } of byField) fields.push({ path, byValue: yield* closeDrawers(byValue) });
  const gates = yield* closeDrawers(byPredicate);
  return {
    fields,
    gates: [...gates].map(([predicate, drawer]) => ({ predicate, drawer })),
    rest: rest.map(filed),
  };
}

function* closeDrawers<Key>(
  open: ReadonlyMap<Key, UnfiledRule[]>,
): Generator<void, ReadonlyMap<Key, Drawer>> {
  const drawers = new Map<Key, Drawer>();
  for (const [key, rules] of open) {
    if (isSliceEnd(drawers.size)) yield;
    const isIndexed = rules.length > drawerMax && rules.some(({ left }) => left.length > 0);
    drawers.set(key, isIndexed ? yield* fileRules(rules) : drawerOf(rules));
  }
  return drawers;
}

interface OpenField {
  readonly path: FieldPath;
  readonly byValue: Map<LookupKey, UnfiledRule[]>;
}

interface FiledByEquality {
  readonly byField: readonly OpenField[];
  readonly others: readonly UnfiledRule[];
}

function* fileByEquality(unfiled: readonly UnfiledRule[]): Generator<void, FiledByEquality> {
  const sharers = yield* countSharers(unfiled);
  const byField = new Map<string, OpenField>();
  const others: UnfiledRule[] = [];
  let count = 0;
  for (const { rule, left } of unfiled) {
    if (isSliceEnd(count++)) yield;
    const chosen = rarest(left, sharers);
    if (chosen === undefined) {
      others.push({ rule, left });
      continue;
    }
    const remaining = { rule, left: withoutEqualities(left, chosen) };
    for (const { field, path, value } of chosen.equalities) {
      const { byValue } = byField.getOrInsertComputed(field, () => ({ path, byValue: new Map() }));
      byValue.getOrInsertComputed(value, () => []).push(remaining);
    }
  }
  return { byField: [...byField.values()], others };
}

type Sharers = ReadonlyMap<string, ReadonlyMap<LookupKey, number>>;

/** How many conjuncts provide each equality, by field and value. */
function* countSharers(unfiled: readonly UnfiledRule[]): Generator<void, Sharers> {
  const sharers = new Map<string, Map<LookupKey, number>>();
  let count = 0;
  for (const { left } of unfiled) {
    if (isSliceEnd(count++)) yield;
    for (const { equalities } of left) {
      for (const { field, value } of equalities) {
        const byValue = sharers.getOrInsertComputed(field, () => new Map<LookupKey, number>());
        byValue.set(value, (byValue.get(value) ?? 0) + 1);
      }
    }
  }
  return sharers;
}

/** The conjunct whose equalities the fewest rules share; undefined if none provides any. */
function rarest(conjuncts: readonly Conjunct[], sharers: Sharers): Conjunct | undefined {
  const countOf = ({ field, value }: Equality): number => sharers.get(field)?.get(value) ?? 0;
  let chosen: Conjunct | undefined;
  let fewest = Infinity;
  for (const conjunct of conjuncts) {
    if (conjunct.equalities.length === 0) continue;
    const count = conjunct.equalities.reduce((sum, equality) => sum + countOf(equality), 0);
    if (count < fewest) [chosen, fewest] = [conjunct, count];
  }
  return chosen;
}

/** Drops an implied conjunct; any other must still be evaluated but is no longer used for filing. */
function withoutEqualities(left: readonly Conjunct[], chosen: Conjunct): readonly Conjunct[] {
  if (chosen.isImplied) return left.filter((conjunct) => conjunct !== chosen);
  return left.map((conjunct) => (conjunct === chosen ? { ...conjunct, equalities: [] } : conjunct));
}

interface FiledByPredicate {
  readonly byPredicate: ReadonlyMap<Predicate, UnfiledRule[]>;
  readonly rest: readonly UnfiledRule[];
}

function* fileByPredicate(unfiled: readonly UnfiledRule[]): Generator<void, FiledByPredicate> {
  const sharers = new Map<Predicate, number>();
  let count = 0;
  for (const { left } of unfiled) {
    if (isSliceEnd(count++)) yield;
    for (const predicate of predicatesAmong(left)) sharers.set(predicate, (sharers.get(predicate) ?? 0) + 1);
  }
  const byPredicate = new Map<Predicate, UnfiledRule[]>();
  const rest: UnfiledRule[] = [];
  count = 0;
  for (const { rule, left } of unfiled) {
    if (isSliceEnd(count++)) yield;
    const chosen = mostShared(predicatesAmong(left), sharers);
    if (chosen === undefined) {
      rest.push({ rule, left });
      continue;
    }
    const remaining = left.filter(({ node }) => node !== chosen);
    byPredicate.getOrInsertComputed(chosen, () => []).push({ rule, left: remaining });
  }
  return { byPredicate, rest };
}

function predicatesAmong(conjuncts: readonly Conjunct[]): readonly Predicate[] {
  return conjuncts.flatMap(({ node }) => (node.kind === "predicate" ? [node] : []));
}

function mostShared(
  predicates: readonly Predicate[],
  sharers: ReadonlyMap<Predicate, number>,
): Predicate | undefined {
  let chosen: Predicate | undefined;
  let most = sharersMin - 1;
  for (const predicate of predicates) {
    const count = sharers.get(predicate) ?? 0;
    if (count > most) [chosen, most] = [predicate, count];
  }
  return chosen;
}

const none: readonly never[] = [];

function drawerOf(rules: readonly UnfiledRule[]): Drawer {
  const [only] = rules;
  return only !== undefined && rules.length === 1 ? filed(only) : rules.map(filed);
}

function filed({ rule, left }: UnfiledRule): FiledRule {
  const others = left.length <= 1 ? none : left.slice(1).map(({ node }) => node);
  return { rule, first: left[0]?.node, others };
}

function isSliceEnd(count: number): boolean {
  return count % rulesPerSlice === rulesPerSlice - 1;
}
