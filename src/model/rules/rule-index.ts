/**
 * Finds the rules of a trigger that match a payload without examining most of the others.
 *
 * Each rule is filed in a drawer. Most are filed under the equalities of one of their conjuncts, so that one
 * lookup per field leads from a payload to the rules filed under its values. Others are filed under a
 * predicate that many rules share, so that one evaluation excludes the whole drawer. The rest are evaluated
 * one by one. Large drawers are indexed again. rule-filing.ts chooses the places.
 *
 * Filing never changes the result: a rule is filed only under a condition that it requires, and each rule
 * found is checked against everything that its place does not already imply.
 */
import { holds, type ConditionNode } from "../conditions/condition.ts";
import { decide, type Predicate, type Stamp } from "../conditions/predicate.ts";
import { readPath, type FieldPath } from "../paths/field-path.ts";
import { isJsonScalar, lookupKey, type JsonObject, type LookupKey } from "../json/json.ts";
import type { CompiledRule } from "./compiled-rule.ts";

export interface RuleIndex {
  readonly fields: readonly FieldDrawers[];
  readonly gates: readonly Gate[];
  readonly rest: readonly FiledRule[];
}

export interface FieldDrawers {
  readonly path: FieldPath;
  readonly byValue: ReadonlyMap<LookupKey, Drawer>;
}

interface Gate {
  readonly predicate: Predicate;
  readonly drawer: Drawer;
}

/** One rule, a list of rules, or an index of many. Most drawers have one, which needs no list: an agent has a drawer for most rules. */
export type Drawer = FiledRule | readonly FiledRule[] | RuleIndex;

/** A rule in its drawer, with the conditions that must still be evaluated, cheapest first. Most have one at most. */
export interface FiledRule {
  readonly rule: CompiledRule;
  readonly first: ConditionNode | undefined;
  readonly others: readonly ConditionNode[];
}

/** Adds the rules that match to `found`, in no particular order and possibly with duplicates. */
export function findRules(
  { fields, gates, rest }: RuleIndex,
  payload: JsonObject,
  stamp: Stamp,
  found: CompiledRule[],
): void {
  for (const { path, byValue } of fields) {
    const value = readPath(payload, path);
    const drawer = isJsonScalar(value) ? byValue.get(lookupKey(value)) : undefined;
    if (drawer !== undefined) searchDrawer(drawer, payload, stamp, found);
  }
  for (const { predicate, drawer } of gates) {
    if (decide(predicate, payload, stamp)) searchDrawer(drawer, payload, stamp, found);
  }
  decideEach(rest, payload, stamp, found);
}

function searchDrawer(drawer: Drawer, payload: JsonObject, stamp: Stamp, found: CompiledRule[]): void {
  if ("rule" in drawer) decideOne(drawer, payload, stamp, found);
  else if ("fields" in drawer) findRules(drawer, payload, stamp, found);
  else decideEach(drawer, payload, stamp, found);
}

function decideEach(
  rules: readonly FiledRule[],
  payload: JsonObject,
  stamp: Stamp,
  found: CompiledRule[],
): void {
  for (const filed of rules) decideOne(filed, payload, stamp, found);
}

// A loop rather than every(): matching spends its time here, where a closure for each rule is measurable. Most predicates
// are decided already, for another rule.
function decideOne(
  { rule, first, others }: FiledRule,
  payload: JsonObject,
  stamp: Stamp,
  found: CompiledRule[],
): void {
  if (first !== undefined && !isHeld(first, payload, stamp)) return;
  for (const node of others) if (!isHeld(node, payload, stamp)) return;
  found.push(rule);
}

function isHeld(node: ConditionNode, payload: JsonObject, stamp: Stamp): boolean {
  return node.kind === "predicate" && node.decidedAt === stamp ? node.isHeld : holds(node, payload, stamp);
}
