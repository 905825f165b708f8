/**
 * Finds the rules of one trigger that hold for a payload without looking at most of the others.
 *
 * Each rule is filed in a drawer: that of the equalities of one of its conjuncts, so that a payload
 * leads, with one look per field, to the rules filed under its values; or that of a predicate which
 * many rules share, so that one decision rules out the whole drawer. What is left over is decided rule
 * by rule. Large drawers are indexed again. rule-filing.ts says how the places are chosen.
 *
 * Filing never changes what is found: a rule is filed only under what must hold for it to hold, and
 * each rule reached is decided by everything that its place does not already imply.
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

export type Drawer =
  | { readonly kind: "list"; readonly rules: readonly FiledRule[] }
  | { readonly kind: "index"; readonly index: RuleIndex };

/** A rule in its place, with what remains to be decided there. */
export interface FiledRule {
  readonly rule: CompiledRule;
  readonly nodes: readonly ConditionNode[];
}

/** Adds to `found` the rules that hold; in no order, and perhaps one of them twice. */
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

// A loop rather than every(): this is where matching spends its time, and a closure per rule shows.
function allHold(nodes: readonly ConditionNode[], payload: JsonObject, stamp: Stamp): boolean {
  for (const node of nodes) {
    if (!holds(node, payload, stamp)) return false;
  }
  return true;
}
