/** Whether a comparison can hold at all, by what the trigger's out_schema says about its field. */
import { holdsFor, type Predicate } from "../conditions/predicate.ts";
import { compareNumbers, isJsonNumber, type JsonNumber } from "../json/exact-number.ts";
import { areEqual } from "../json/equality.ts";
import { isJsonArray, jsonTypeOf, listOf, type JsonType, type JsonValue } from "../json/json.ts";
import { typesOf, type Bound, type KnownField } from "./payload-schema.ts";

/** For which of the values that the field may have it holds. */
type Extent = "none" | "all" | "some";

/** @returns undefined if it depends on the event */
export function judgeComparison(predicate: Predicate, field: KnownField): "never" | "always" | undefined {
  const extent = extentOf(predicate, field);
  const missing = field.isRequired ? undefined : predicate.holdsIfMissing;
  if (extent === "none" && missing !== true) return "never";
  if (extent === "all" && missing !== false) return "always";
  return undefined;
}

/** The values of an `in` or `not_in` that the field can never have; empty if all are possible. */
export function impossibleChoices({ operator, operand }: Predicate, field: KnownField): readonly JsonValue[] {
  if ((operator !== "in" && operator !== "not_in") || !isJsonArray(operand ?? null)) return [];
  return listOf(operand).filter((choice) => !isPossible(choice, field));
}

function extentOf(predicate: Predicate, field: KnownField): Extent {
  const { operator, operand } = predicate;
  if (operator === "exists") return "all";
  if (operator === "not_exists") return "none";
  if (field.values !== undefined) return counted(field.values.map((value) => holdsFor(predicate, value)));
  const value: JsonValue = operand ?? null;
  switch (operator) {
    case "equals":
      return isPossible(value, field) ? "some" : "none";
    case "not_equals":
      return isPossible(value, field) ? "some" : "all";
    case "in":
      return listOf(value).some((choice) => isPossible(choice, field)) ? "some" : "none";
    case "not_in":
      return listOf(value).some((choice) => isPossible(choice, field)) ? "some" : "all";
    case "greater_than":
    case "greater_than_or_equal":
    case "less_than":
    case "less_than_or_equal":
      return isJsonNumber(value) ? orderExtent(operator, value, field) : "some";
    case "starts_with":
    case "ends_with":
    case "matches":
      return mayBe(field, "string") ? "some" : "none";
    case "contains":
      return mayContain(value, field) ? "some" : "none";
  }
}

function counted(results: readonly boolean[]): Extent {
  if (results.every((held) => held)) return "all";
  return results.some((held) => held) ? "some" : "none";
}

/** Whether the field may have this value. */
function isPossible(value: JsonValue, field: KnownField): boolean {
  if (field.values !== undefined) return field.values.some((each) => areEqual(each, value));
  if (!mayBe(field, jsonTypeOf(value))) return false;
  if (!isJsonNumber(value)) return true;
  return isAbove(value, field.minimum) && isBelow(value, field.maximum);
}

function isAbove(value: JsonNumber, minimum: Bound | undefined): boolean {
  if (minimum === undefined) return true;
  const order = compareNumbers(value, minimum.value);
  return order > 0 || (order === 0 && minimum.isInclusive);
}

function isBelow(value: JsonNumber, maximum: Bound | undefined): boolean {
  if (maximum === undefined) return true;
  const order = compareNumbers(value, maximum.value);
  return order < 0 || (order === 0 && maximum.isInclusive);
}

function orderExtent(
  operator: "greater_than" | "greater_than_or_equal" | "less_than" | "less_than_or_equal",
  value: JsonNumber,
  field: KnownField,
): Extent {
  if (!mayBe(field, "number")) return "none";
  const isUpward = operator.startsWith("greater");
  const isStrict = !operator.endsWith("_or_equal");
  const [far, near] = isUpward ? [field.maximum, field.minimum] : [field.minimum, field.maximum];
  const sign = isUpward ? 1 : -1;
  if (far !== undefined) {
    const order = sign * compareNumbers(far.value, value);
    if (order < 0 || (order === 0 && (isStrict || !far.isInclusive))) return "none";
  }
  if (near === undefined || field.types?.size !== 1) return "some";
  const order = sign * compareNumbers(near.value, value);
  return order > 0 || (order === 0 && (!isStrict || !near.isInclusive)) ? "all" : "some";
}

function mayContain(part: JsonValue, field: KnownField): boolean {
  if (mayBe(field, "string") && typeof part === "string") return true;
  if (!mayBe(field, "array")) return false;
  const elements = field.items === undefined ? undefined : typesOf(field.items);
  return elements === undefined || elements.has(jsonTypeOf(part));
}

function mayBe({ types }: KnownField, type: JsonType): boolean {
  return types === undefined || types.has(type);
}
