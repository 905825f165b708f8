/**
 * Finds conditions that can never hold together: an author who requires that a branch equals main and
 * equals dev means either one.
 *
 * Reports only certain contradictions, and only between conditions on the same field. If one condition
 * lists the field's possible values, each value is tested against the other; otherwise numeric bounds,
 * prefixes, suffixes and incompatible types are compared.
 */
import { type JsonValue } from "../json/json.ts";
import { writePayloadPath } from "../paths/foreign-path.ts";
import { isInNothing } from "./operand.ts";
import type { OperatorName } from "./operators.ts";
import { holdsFor, valuesOf, type Predicate } from "./predicate.ts";

/** Why these can never hold together; undefined if they can. */
export function contradiction(required: readonly Predicate[]): string | undefined {
  const empty = required.find(({ operator, operand }) => isInNothing(operator, operand));
  if (empty !== undefined) return `can never hold: nothing is in the empty list of ${written(empty)}`;
  if (!hasCommonField(required)) return undefined;
  const byField = Map.groupBy(required, ({ pathKey }) => pathKey);
  for (const predicates of byField.values()) {
    const pair = contradictingPair(predicates);
    if (pair === undefined) continue;
    const [one, other] = pair;
    return `can never hold: ${written(one)} and ${written(other)} exclude each other; if either is enough, put them into "any"`;
  }
  return undefined;
}

/** Allocates nothing, since it is asked of every rule. */
function hasCommonField(predicates: readonly Predicate[]): boolean {
  return predicates.some((one, at) =>
    predicates.some((other, otherAt) => otherAt > at && other.pathKey === one.pathKey),
  );
}

/** Conditions on one field that are compared; any beyond are ignored. */
const comparedMax = 32;

function contradictingPair(predicates: readonly Predicate[]): readonly [Predicate, Predicate] | undefined {
  const compared = predicates.slice(0, comparedMax);
  for (const [index, one] of compared.entries()) {
    const other = compared.slice(index + 1).find((each) => exclude(one, each));
    if (other !== undefined) return [one, other];
  }
  return undefined;
}

function exclude(one: Predicate, other: Predicate): boolean {
  if (one.operator === "not_exists") return !other.holdsIfMissing;
  if (other.operator === "not_exists") return !one.holdsIfMissing;
  const values = valuesOf(one);
  if (values !== undefined) return !values.some((value) => holdsFor(other, value));
  const others = valuesOf(other);
  if (others !== undefined) return !others.some((value) => holdsFor(one, value));
  return areApart(one, other) || areApart(other, one);
}

type Family = "lower bound" | "upper bound" | "text" | "list or text";

const families: Partial<Record<OperatorName, Family>> = {
  greater_than: "lower bound",
  greater_than_or_equal: "lower bound",
  less_than: "upper bound",
  less_than_or_equal: "upper bound",
  starts_with: "text",
  ends_with: "text",
  matches: "text",
  contains: "list or text",
};

function areApart(one: Predicate, other: Predicate): boolean {
  const [mine, theirs] = [families[one.operator], families[other.operator]];
  if (mine === "lower bound" && theirs === "upper bound") {
    // A number between the bounds exists exactly if each bound meets the other condition.
    return !meets(one.operand, other) || !meets(other.operand, one);
  }
  if (mine === "lower bound" || mine === "upper bound") return theirs === "text" || theirs === "list or text";
  if (one.operator !== other.operator || typeof one.operand !== "string" || typeof other.operand !== "string")
    return false;
  if (one.operator === "starts_with")
    return !one.operand.startsWith(other.operand) && !other.operand.startsWith(one.operand);
  if (one.operator === "ends_with")
    return !one.operand.endsWith(other.operand) && !other.operand.endsWith(one.operand);
  return false;
}

function meets(value: JsonValue | undefined, predicate: Predicate): boolean {
  return value !== undefined && holdsFor(predicate, value);
}

function written({ path, operator, operand }: Predicate): string {
  const field = path.length === 0 ? "payload" : (writePayloadPath(path) ?? "the field");
  const hasValue = operand !== undefined && operator !== "exists" && operator !== "not_exists";
  return `${field} ${operator}${hasValue ? ` ${JSON.stringify(operand).slice(0, 60)}` : ""}`;
}
