/**
 * Whether one comparison holds whenever another does, so that one of them has no effect. Only certain cases are found. Both are
 * of one table.
 */
import { compareNumbers, isJsonNumber } from "../json/exact-number.ts";
import { holdsFor, valuesOf, type Predicate } from "./predicate.ts";

export function implies(one: Predicate, other: Predicate): boolean {
  if (one.pathKey !== other.pathKey) return false;
  if (one === other) return true;
  // A missing field would decide the two differently.
  if (one.holdsIfMissing) return false;
  if (other.operator === "exists") return true;
  const values = valuesOf(one);
  if (values !== undefined && values.length > 0) return values.every((value) => holdsFor(other, value));
  return isStricterBound(one, other) || isLongerText(one, other);
}

function isStricterBound(one: Predicate, other: Predicate): boolean {
  const [mine, theirs] = [boundOf(one), boundOf(other)];
  if (mine === undefined || theirs === undefined || mine.sign !== theirs.sign) return false;
  const order = mine.sign * compareNumbers(mine.value, theirs.value);
  return order > 0 || (order === 0 && (mine.isStrict || !theirs.isStrict));
}

function boundOf({ operator, operand }: Predicate) {
  const direction = /^(?<kind>greater|less)_than(?<inclusive>_or_equal)?$/.exec(operator)?.groups;
  if (direction === undefined || !isJsonNumber(operand)) return undefined;
  const sign = direction["kind"] === "greater" ? 1 : -1;
  return { sign, value: operand, isStrict: direction["inclusive"] === undefined };
}

function isLongerText(one: Predicate, other: Predicate): boolean {
  const [mine, theirs] = [one.operand, other.operand];
  if (typeof mine !== "string" || typeof theirs !== "string") return false;
  if (one.operator === "starts_with" && other.operator === "starts_with") return mine.startsWith(theirs);
  if (one.operator === "ends_with" && other.operator === "ends_with") return mine.endsWith(theirs);
  const isInText = one.operator === "starts_with" || one.operator === "ends_with";
  return isInText && other.operator === "contains" && mine.includes(theirs);
}
