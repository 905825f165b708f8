/**
 * Evaluates conditions literally as docs/rules.md describes them: no compiling, no sharing, no
 * index. The oracle of the property tests; slow and plain on purpose.
 */
import { isDeepStrictEqual } from "node:util";
import { RE2JS } from "re2js";
import { isJsonNumber, type JsonNumber } from "../../../src/model/json/exact-number.ts";
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from "../../../src/model/json/json.ts";

export function naivelyHolds(conditions: JsonValue, payload: JsonObject): boolean {
  if (conditions === null) return true;
  if (isJsonArray(conditions)) return conditions.every((condition) => naivelyHolds(condition, payload));
  if (!isJsonObject(conditions)) throw new Error("not a condition");
  if (Object.keys(conditions).length === 0) return true;
  const { all, any, not, field, operator, value } = conditions;
  if (isJsonArray(all)) return all.every((condition) => naivelyHolds(condition, payload));
  if (isJsonArray(any)) return any.some((condition) => naivelyHolds(condition, payload));
  if (not !== undefined) return !naivelyHolds(not, payload);
  return comparisonHolds(asText(field), asText(operator), value ?? null, payload);
}

function comparisonHolds(field: string, operator: string, value: JsonValue, payload: JsonObject): boolean {
  const actual = lookUp(field, payload);
  if (actual === undefined) return ["not_equals", "not_in", "not_exists"].includes(operator);
  switch (operator) {
    case "equals":
      return sameJson(actual, value);
    case "not_equals":
      return !sameJson(actual, value);
    case "contains":
      if (typeof actual === "string") return typeof value === "string" && actual.includes(value);
      return isJsonArray(actual) && actual.some((element) => sameJson(element, value));
    case "starts_with":
      return typeof actual === "string" && actual.startsWith(asText(value));
    case "ends_with":
      return typeof actual === "string" && actual.endsWith(asText(value));
    case "greater_than":
      return isJsonNumber(actual) && isJsonNumber(value) && scaled(actual) > scaled(value);
    case "greater_than_or_equal":
      return isJsonNumber(actual) && isJsonNumber(value) && scaled(actual) >= scaled(value);
    case "less_than":
      return isJsonNumber(actual) && isJsonNumber(value) && scaled(actual) < scaled(value);
    case "less_than_or_equal":
      return isJsonNumber(actual) && isJsonNumber(value) && scaled(actual) <= scaled(value);
    case "in":
      return isJsonArray(value) && value.some((choice) => sameJson(choice, actual));
    case "not_in":
      return isJsonArray(value) && !value.some((choice) => sameJson(choice, actual));
    case "matches":
      return typeof actual === "string" && RE2JS.compile(asText(value)).matcher(actual).find();
    case "exists":
      return true;
    case "not_exists":
      return false;
    default:
      throw new Error(`no operator ${operator}`);
  }
}

function lookUp(field: string, payload: JsonObject): JsonValue | undefined {
  const names = field
    .replaceAll(/\[(\d+)\]/g, ".$1")
    .split(".")
    .filter((name, index, all) => !(index === 0 && name === "payload" && all.length > 1));
  let value: JsonValue = payload;
  for (const name of names) {
    if (isJsonArray(value)) {
      const element: JsonValue | undefined = /^(?:0|[1-9]\d*)$/.test(name) ? value[Number(name)] : undefined;
      if (element === undefined) return undefined;
      value = element;
    } else if (isJsonObject(value)) {
      const member: JsonValue | undefined = new Map(Object.entries(value)).get(name);
      if (member === undefined) return undefined;
      value = member;
    } else return undefined;
  }
  return value;
}

function sameJson(one: JsonValue, other: JsonValue): boolean {
  return isDeepStrictEqual(plain(one), plain(other));
}

/** With every number as an integer, so that it is compared by value. */
function plain(value: JsonValue): unknown {
  if (isJsonNumber(value)) return scaled(value);
  if (isJsonArray(value)) return value.map(plain);
  return isJsonObject(value)
    ? new Map(Object.entries(value).map(([name, member]) => [name, plain(member)]))
    : value;
}

/** The number times 10^30; what is generated is then whole. */
function scaled(number: JsonNumber): bigint {
  const [whole = "", fraction = ""] = JSON.stringify(number).split(".");
  return BigInt(whole + fraction) * 10n ** BigInt(30 - fraction.length);
}

function asText(value: JsonValue | undefined): string {
  if (typeof value !== "string") throw new Error("not text");
  return value;
}
