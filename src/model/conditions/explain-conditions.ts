/**
 * Explains why conditions hold for a payload or not: every comparison that keeps them from holding, in the order in which
 * they are written, and the smallest change of the payload that would make them hold.
 *
 * It decides as matching does (condition.ts), with the same compiled predicates; a property test compares the two.
 */
import type { JsonObject, JsonValue } from "../json/json.ts";
import { readPath } from "../paths/field-path.ts";
import type { Place } from "../placed-problem.ts";
import { placeText } from "../placed-problem.ts";
import { holds, type ConditionNode } from "./condition.ts";
import { explainFailure, explainSuccess, wishAgainst, wishFor } from "./failed-comparison.ts";
import type { OperatorName } from "./operators.ts";
import { partsOf, type PlacedCondition } from "./placed-parts.ts";
import { nextStamp, type Predicate, type Stamp } from "./predicate.ts";

/** A comparison that keeps the conditions from holding. */
export interface FailedComparison {
  /** Where it is written, such as `conditions.all[1]`. */
  readonly place: string;
  readonly path: readonly string[];
  readonly operator: OperatorName;
  /** Undefined if the condition has no value. */
  readonly expected: JsonValue | undefined;
  /** Undefined if the field is missing. */
  readonly seen: JsonValue | undefined;
  /** The condition holds, but is inside a `not`. */
  readonly isExcluded: boolean;
  readonly sentence: string;
  readonly hint: string | undefined;
}

export interface ConditionsExplanation {
  readonly isHeld: boolean;
  /** Empty if they hold. */
  readonly failures: readonly FailedComparison[];
  /** What would have to be otherwise, such as `` `level` were "critical" ``; undefined if they hold. */
  readonly counterfactual: string | undefined;
}

interface Reading {
  readonly payload: JsonObject;
  readonly stamp: Stamp;
}

/** @param conditions as stored, from which `root` was compiled */
export function explainConditions(
  root: ConditionNode,
  conditions: JsonValue,
  payload: JsonObject,
): ConditionsExplanation {
  const reading = { payload, stamp: nextStamp() };
  if (holds(root, payload, reading.stamp)) return { isHeld: true, failures: [], counterfactual: undefined };
  const wishes = new Set(wishesFor(root, reading));
  return {
    isHeld: false,
    failures: failuresOf({ node: root, json: conditions, place: ["conditions"] }, reading),
    counterfactual: wishes.size === 0 || wishes.size > wishesMax ? undefined : [...wishes].join(" and "),
  };
}

/** More than this many changes explain nothing. */
const wishesMax = 4;

function failuresOf(condition: PlacedCondition, reading: Reading): readonly FailedComparison[] {
  const { node, place } = condition;
  if (holds(node, reading.payload, reading.stamp)) return [];
  if (node.kind === "predicate") return [failed(node, place, reading)];
  const inner = node.kind === "not" ? exclusionsOf : failuresOf;
  return partsOf(condition).flatMap((part) => inner(part, reading));
}

/** The comparisons by which a condition holds that should not. */
function exclusionsOf(condition: PlacedCondition, reading: Reading): readonly FailedComparison[] {
  const { node, place } = condition;
  if (!holds(node, reading.payload, reading.stamp)) return [];
  if (node.kind === "predicate") return [excluded(node, place, reading)];
  const inner = node.kind === "not" ? failuresOf : exclusionsOf;
  return partsOf(condition).flatMap((part) => inner(part, reading));
}

function failed(predicate: Predicate, place: Place, { payload }: Reading): FailedComparison {
  return { ...facts(predicate, place, payload), isExcluded: false, ...explainFailure(predicate, payload) };
}

function excluded(predicate: Predicate, place: Place, { payload }: Reading): FailedComparison {
  return {
    ...facts(predicate, place, payload),
    isExcluded: true,
    sentence: `${explainSuccess(predicate, payload)}, which the condition excludes`,
    hint: undefined,
  };
}

function facts({ path, operator, operand }: Predicate, place: Place, payload: JsonObject) {
  return { place: placeText(place), path, operator, expected: operand, seen: readPath(payload, path) };
}

/** The changes of the payload that are needed, all of them; undefined if none would do. */
type Wishes = readonly string[] | undefined;

/** The fewest changes that make a node hold. */
function wishesFor(node: ConditionNode, reading: Reading): Wishes {
  if (holds(node, reading.payload, reading.stamp)) return [];
  switch (node.kind) {
    case "predicate":
      return [wishFor(node)];
    case "all":
      return together(node.parts.map((part) => wishesFor(part, reading)));
    case "any":
      return fewest(node.parts.map((part) => wishesFor(part, reading)));
    case "not":
      return wishesAgainst(node.part, reading);
  }
}

/** The fewest changes that make a node fail. */
function wishesAgainst(node: ConditionNode, reading: Reading): Wishes {
  if (!holds(node, reading.payload, reading.stamp)) return [];
  switch (node.kind) {
    case "predicate":
      return [wishAgainst(node)];
    case "all":
      return fewest(node.parts.map((part) => wishesAgainst(part, reading)));
    case "any":
      return together(node.parts.map((part) => wishesAgainst(part, reading)));
    case "not":
      return wishesFor(node.part, reading);
  }
}

function together(parts: readonly Wishes[]): Wishes {
  const given = parts.filter((part) => part !== undefined);
  return given.length === parts.length ? given.flat() : undefined;
}

function fewest(parts: readonly Wishes[]): Wishes {
  const given = parts.filter((part) => part !== undefined);
  return given.toSorted((one, other) => one.length - other.length)[0];
}
