/**
 * Finds the rules of one trigger that hold for a payload without looking at most of the others.
 *
 * Each rule is filed under the equalities of one of its conjuncts: the conjunct whose equalities the
 * fewest rules of the trigger share. A payload then leads, with one look per field, to the rules filed
 * under its values. Rules that tell no equality are filed under the predicate most of them share, so a
 * predicate that does not hold rules out its whole group with one decision; what is left over is
 * decided rule by rule. Drawers that come out large are indexed again by what is left of their rules,
 * so an equality shared by all of them does no harm.
 *
 * Filing never changes what is found: a rule is filed only under what must hold for it to hold, and
 * each rule found is decided by everything that its place does not already imply.
 */
import { holds, type ConditionNode } from "../conditions/condition.ts";
import { decide, type Predicate, type Stamp } from "../conditions/predicate.ts";
import { readPath, type FieldPath } from "../field-path.ts";
import type { JsonObject, JsonValue } from "../json.ts";
import type { CompiledRule } from "./compiled-rule.ts";
import type { Conjunct, Equality } from "./conjunct.ts";

export interface RuleIndex {
  readonly fields: readonly FieldDrawers[];
  readonly gates: readonly Gate[];
  readonly rest: readonly FiledRule[];
}

interface FieldDrawers {
  readonly path: FieldPath;
  readonly byValue: ReadonlyMap<JsonValue, Drawer>;
}

interface Gate {
  readonly predicate: Predicate;
  readonly drawer: Drawer;
}

type Drawer =
  | { readonly kind: "list"; readonly rules: readonly FiledRule[] }
  | { readonly kind: "index"; readonly index: RuleIndex };

/** A rule in its place, with what remains to be decided there. */
interface FiledRule {
  readonly rule: CompiledRule;
  readonly nodes: readonly ConditionNode[];
}

interface Unfiled {
  readonly rule: CompiledRule;
  readonly left: readonly Conjunct[];
}

/** A drawer above this many rules is indexed again. */
const drawerMax = 24;
/** A gate pays when it spares more decisions than the one it costs. */
const gateMin = 4;

export function indexRules(rules: readonly CompiledRule[]): RuleIndex {
  return indexUnfiled(rules.map((rule) => ({ rule, left: rule.conjuncts })));
}

/** Adds to `found` the rules that hold; in no order, and perhaps one of them twice. */
export function findRules(index: RuleIndex, payload: JsonObject, stamp: Stamp, found: CompiledRule[]): void {
  for (const { path, byValue } of index.fields) {
    const value = readPath(payload, path);
    const drawer = value === undefined ? undefined : byValue.get(value);
    if (drawer !== undefined) search(drawer, payload, stamp, found);
  }
  for (const { predicate, drawer } of index.gates) {
    if (decide(predicate, payload, stamp)) search(drawer, payload, stamp, found);
  }
  decideEach(index.rest, payload, stamp, found);
}

function search(drawer: Drawer, payload: JsonObject, stamp: Stamp, found: CompiledRule[]): void {
  if (drawer.kind === "list") decideEach(drawer.rules, payload, stamp, found);
  else findRules(drawer.index, payload, stamp, found);
}

function decideEach(
  rules: readonly FiledRule[],
  payload: JsonObject,
  stamp: Stamp,
  found: CompiledRule[],
): void {
  for (const { rule, nodes } of rules) {
    if (allHold(nodes, payload, stamp)) found.push(rule);
  }
}

function allHold(nodes: readonly ConditionNode[], payload: JsonObject, stamp: Stamp): boolean {
  for (const node of nodes) {
    if (!holds(node, payload, stamp)) return false;
  }
  return true;
}

function indexUnfiled(unfiled: readonly Unfiled[]): RuleIndex {
  const { filed, others } = fileByEquality(unfiled);
  const { gates, rest } = fileByPredicate(others);
  const fields = [...filed.values()].map(({ path, byValue }) => ({
    path,
    byValue: new Map([...byValue].map(([value, rules]) => [value, drawerOf(rules)])),
  }));
  return {
    fields,
    gates: [...gates].map(([predicate, rules]) => ({ predicate, drawer: drawerOf(rules) })),
    rest: rest.map(filedRule),
  };
}

function drawerOf(rules: readonly Unfiled[]): Drawer {
  const isWorthIndexing = rules.length > drawerMax && rules.some(({ left }) => left.length > 0);
  return isWorthIndexing
    ? { kind: "index", index: indexUnfiled(rules) }
    : { kind: "list", rules: rules.map(filedRule) };
}

function filedRule({ rule, left }: Unfiled): FiledRule {
  return { rule, nodes: left.map((conjunct) => conjunct.node) };
}

interface OpenDrawers {
  readonly path: FieldPath;
  readonly byValue: Map<JsonValue, Unfiled[]>;
}

function fileByEquality(unfiled: readonly Unfiled[]): {
  readonly filed: ReadonlyMap<string, OpenDrawers>;
  readonly others: readonly Unfiled[];
} {
  const sharers = new EqualityCount(unfiled);
  const filed = new Map<string, OpenDrawers>();
  const others: Unfiled[] = [];
  for (const { rule, left } of unfiled) {
    const chosen = sharers.rarest(left);
    if (chosen === undefined) {
      others.push({ rule, left });
      continue;
    }
    const remaining = { rule, left: withoutEqualities(left, chosen) };
    for (const { field, path, value } of chosen.equalities) {
      const drawers = filed.getOrInsertComputed(field, () => ({ path, byValue: new Map() }));
      drawers.byValue.getOrInsertComputed(value, () => []).push(remaining);
    }
  }
  return { filed, others };
}

/** What is left to decide and to file by, once the rule is filed under the chosen conjunct's equalities. */
function withoutEqualities(left: readonly Conjunct[], chosen: Conjunct): readonly Conjunct[] {
  if (chosen.isImplied) return left.filter((conjunct) => conjunct !== chosen);
  return left.map((conjunct) => (conjunct === chosen ? { ...conjunct, equalities: [] } : conjunct));
}

class EqualityCount {
  readonly #byField = new Map<string, Map<JsonValue, number>>();

  constructor(unfiled: readonly Unfiled[]) {
    for (const { field, value } of unfiled.flatMap(({ left }) =>
      left.flatMap(({ equalities }) => equalities),
    )) {
      const byValue = this.#byField.getOrInsertComputed(field, () => new Map<JsonValue, number>());
      byValue.set(value, (byValue.get(value) ?? 0) + 1);
    }
  }

  /** The conjunct whose equalities the fewest rules share; undefined when none tells any. */
  rarest(conjuncts: readonly Conjunct[]): Conjunct | undefined {
    let rarest: Conjunct | undefined;
    let fewest = Infinity;
    for (const conjunct of conjuncts) {
      if (conjunct.equalities.length === 0) continue;
      const count = conjunct.equalities.reduce((sum, equality) => sum + this.#count(equality), 0);
      if (count < fewest) [rarest, fewest] = [conjunct, count];
    }
    return rarest;
  }

  #count({ field, value }: Equality): number {
    return this.#byField.get(field)?.get(value) ?? 0;
  }
}

function fileByPredicate(unfiled: readonly Unfiled[]): {
  readonly gates: ReadonlyMap<Predicate, Unfiled[]>;
  readonly rest: readonly Unfiled[];
} {
  const sharers = new Map<Predicate, number>();
  for (const predicate of unfiled.flatMap(({ left }) => left.flatMap(predicateOf))) {
    sharers.set(predicate, (sharers.get(predicate) ?? 0) + 1);
  }
  const gates = new Map<Predicate, Unfiled[]>();
  const rest: Unfiled[] = [];
  for (const { rule, left } of unfiled) {
    const gate = mostShared(left.flatMap(predicateOf), sharers);
    if (gate === undefined) rest.push({ rule, left });
    else {
      const remaining = left.filter(({ node }) => node.kind !== "predicate" || node.predicate !== gate);
      gates.getOrInsertComputed(gate, () => []).push({ rule, left: remaining });
    }
  }
  return { gates, rest };
}

function predicateOf({ node }: Conjunct): readonly Predicate[] {
  return node.kind === "predicate" ? [node.predicate] : [];
}

function mostShared(
  predicates: readonly Predicate[],
  sharers: ReadonlyMap<Predicate, number>,
): Predicate | undefined {
  let most: Predicate | undefined;
  let count = gateMin - 1;
  for (const predicate of predicates) {
    const sharersOfThis = sharers.get(predicate) ?? 0;
    if (sharersOfThis > count) [most, count] = [predicate, sharersOfThis];
  }
  return most;
}
