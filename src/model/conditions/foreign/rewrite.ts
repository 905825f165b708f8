/**
 * Translates conditions from other systems' syntax into the one used here. The result is meant to be shown
 * and pasted; the caller checks whether it is valid.
 */
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from "../../json/json.ts";
import { nearestName } from "../../texts/nearest-name.ts";
import { ownPath } from "../../paths/payload-path.ts";
import { operandProblem } from "../operand.ts";
import { isOperatorName, operators } from "../operators.ts";
import { operatorMeaning } from "./operators.ts";
import { rewriteText } from "./text.ts";

const depthMax = 16;

/** The equivalent condition; undefined if some part of it is not understood or has no equivalent. */
export function rewriteCondition(json: JsonValue, depth = depthMax): JsonValue | undefined {
  if (depth === 0) return undefined;
  if (typeof json === "string") return rewriteText(json, comparison);
  if (isJsonArray(json)) return json.length === 0 ? undefined : rewriteEach("all", json, depth);
  if (!isJsonObject(json)) return undefined;
  if (isOwnComparison(json)) return json;
  return rewriteCombination(json, depth) ?? rewriteComparison(json) ?? rewriteMapping(json);
}

function isOwnComparison(json: JsonObject): boolean {
  const { field, operator, value, ...others } = json;
  if (typeof field !== "string" || typeof operator !== "string" || Object.keys(others).length > 0)
    return false;
  return (
    isOperatorName(operator) &&
    operators[operator].compile(value).kind === "valid" &&
    ownPath(field) === field
  );
}

export type Combination = "all" | "any" | "not" | "none" | "not all";

/** Names of combinations, in lower case and without punctuation. */
const combinations: ReadonlyMap<string, Combination> = new Map(
  (
    [
      ["all", "all and allof every must"],
      ["any", "any or anyof some should"],
      ["not", "not"],
      ["none", "none nor noneof notany mustnot"],
      ["not all", "nand notall"],
    ] as const
  ).flatMap(([combination, names]) => names.split(" ").map((name) => [name, combination] as const)),
);

/** The combination that a name means, if any. */
export function combinationNamed(name: string): Combination | undefined {
  return combinations.get(name.toLowerCase().replaceAll(/[\s_$-]/g, ""));
}

/** Keys under which other systems name the combination next to its parts: `{"combinator": "and", "rules": […]}`. */
const combinators = ["combinator", "operator", "op", "condition", "logic", "type", "match"];
const partLists = ["rules", "conditions", "criteria", "filters", "operands", "children", "tests"];

function rewriteCombination(json: JsonObject, depth: number): JsonValue | undefined {
  const entries = Object.entries(json).filter(([name]) => !comments.has(name));
  const [only] = entries;
  if (entries.length === 1 && only !== undefined && partLists.includes(only[0]))
    return rewriteCondition(only[1], depth - 1);

  const combinator = entries.find(([name]) => combinators.includes(name))?.[1];
  const list = entries.find(([name]) => partLists.includes(name))?.[1];
  if (entries.length === 2 && typeof combinator === "string" && list !== undefined)
    return combined(combinator, list, depth);

  const parts = entries.map(([name, inner]) => combined(name, inner, depth));
  return allOf(parts);
}

function combined(name: string, inner: JsonValue, depth: number): JsonValue | undefined {
  const combination = combinationNamed(name);
  const parts = isJsonArray(inner) ? inner : [inner];
  if (parts.length === 0) return undefined;
  switch (combination) {
    case undefined:
      return undefined;
    case "all":
    case "any":
      return rewriteEach(combination, parts, depth);
    case "not":
      return negation(rewriteCondition(inner, depth - 1));
    case "none":
      return negation(rewriteEach("any", parts, depth));
    case "not all":
      return negation(rewriteEach("all", parts, depth));
  }
}

function rewriteEach(
  combination: "all" | "any",
  parts: readonly JsonValue[],
  depth: number,
): JsonValue | undefined {
  const rewritten = parts.map((part) => rewriteCondition(part, depth - 1));
  return rewritten.every((part) => part !== undefined) ? { [combination]: rewritten } : undefined;
}

function negation(condition: JsonValue | undefined): JsonValue | undefined {
  return condition === undefined ? undefined : { not: condition };
}

/** A single part is returned unchanged. */
function allOf(parts: readonly (JsonValue | undefined)[]): JsonValue | undefined {
  const [first] = parts;
  if (!parts.every((part) => part !== undefined)) return undefined;
  return parts.length > 1 ? { all: parts } : first;
}

function comparison(field: string, operator: string, value: JsonValue | undefined): JsonValue | undefined {
  const path = ownPath(field);
  const meaning = operatorMeaning(operator);
  if (path === undefined || meaning?.kind !== "known") return undefined;
  if (value !== undefined && !isUsable(value)) return undefined;
  return meaning.rewrite(path, value);
}

function isUsable(value: JsonValue): boolean {
  // How json-rules-engine compares with another fact.
  const isFact = isJsonObject(value) && Object.hasOwn(value, "fact");
  return !isFact && operandProblem(value) === undefined;
}

const fieldNames = [
  "field",
  "fact",
  "key",
  "attribute",
  "property",
  "variable",
  "var",
  "path",
  "name",
  "lhs",
  "left",
];
const operatorNames = ["operator", "op", "comparator", "comparison", "test", "type"];
const valueNames = ["value", "values", "pattern", "val", "expected", "threshold", "rhs", "right"];
/** Names that Argo Events and query builders give to a value's type. */
const valueTypes = new Set(["string", "number", "integer", "double", "bool", "boolean"]);
/** Members that do not affect the condition. */
const comments = new Set(["id", "label", "description", "comment", "priority", "params", "enabled", "input"]);

/** A comparison whose parts are named, possibly with other names than here. */
function rewriteComparison(json: JsonObject): JsonValue | undefined {
  const given = new Map(Object.entries(json).filter(([name]) => !comments.has(name)));
  const take = (names: readonly string[], fits: (value: JsonValue) => boolean): JsonValue | undefined => {
    const name = names.find((each) => given.has(each) && fits(given.get(each) ?? null));
    const value = name === undefined ? undefined : given.get(name);
    if (name !== undefined) given.delete(name);
    return value;
  };

  const fact = take(fieldNames, isText);
  if (typeof fact !== "string") return undefined;
  // json-rules-engine puts a path into the fact next to it.
  const inner = take(["path"], isText);
  const field = typeof inner === "string" ? `${fact}.${inner.replace(/^\$?\.?/, "")}` : fact;
  const operator = take(operatorNames, (name) => isText(name) && operatorMeaning(name) !== undefined);
  const value = take(valueNames, () => true);
  const type = take(["type"], (name) => isText(name) && valueTypes.has(name));

  if (given.size > 0) {
    // {"field": "x", "gt": 5}
    if (operator !== undefined || value !== undefined) return undefined;
    return allOf([...given].map(([name, bound]) => comparison(field, name, bound)));
  }
  if (type === "string" && (operator === undefined || operator === "=" || operator === "!="))
    return comparison(field, operator === "!=" ? "!matches" : "matches", alternatives(value));
  if (typeof operator === "string") return comparison(field, operator, value);
  return type === undefined ? undefined : comparison(field, "equals", value);
}

function isText(value: JsonValue): value is string {
  return typeof value === "string";
}

/** In Argo Events each string is a regular expression, and one of them must match. */
function alternatives(value: JsonValue | undefined): JsonValue | undefined {
  return isJsonArray(value) && value.every(isText) ? value.join("|") : value;
}

/**
 * Fields mapped to their required values: `{"branch": "main"}`, StackStorm's `{"trigger.x": {"type": "eq",
 * "pattern": 1}}`, Sigma's `{"x|contains": "a"}`, MongoDB's `{"x": {"$gt": 5}}`.
 */
function rewriteMapping(json: JsonObject): JsonValue | undefined {
  const entries = Object.entries(json);
  if (entries.some(([name]) => isPart(name))) return undefined;
  return allOf(entries.map(([name, wanted]) => rewriteMember(name, wanted)));
}

/** Names of parts of comparisons and combinations, even misspelt, are not fields. */
function isPart(name: string): boolean {
  if (combinationNamed(name) !== undefined || partLists.includes(name)) return true;
  return nearestName(name, ["field", "operator", "value"]) !== undefined;
}

function rewriteMember(name: string, wanted: JsonValue): JsonValue | undefined {
  const [field = "", modifier, ...more] = name.split("|");
  if (modifier !== undefined) return more.length > 0 ? undefined : sigma(field, modifier, wanted);
  if (isJsonArray(wanted) && wanted.some((each) => isJsonArray(each) || isJsonObject(each))) return undefined;
  if (!isJsonObject(wanted)) return comparison(field, "equals", wanted);
  const { type, pattern, ...others } = wanted;
  if (type !== undefined && isText(type) && Object.keys(others).length === 0)
    return comparison(field, type, pattern);
  return allOf(Object.entries(wanted).map(([operator, value]) => comparison(field, operator, value)));
}

function sigma(field: string, modifier: string, wanted: JsonValue): JsonValue | undefined {
  if (!isJsonArray(wanted)) return comparison(field, modifier, wanted);
  const parts = wanted.map((each) => comparison(field, modifier, each));
  return parts.every((part) => part !== undefined) ? { any: parts } : undefined;
}

/** Why StackStorm criteria have no equivalent here; undefined if they do. */
export function criteriaObstacle(json: JsonObject): string | undefined {
  for (const [name, criterion] of Object.entries(json)) {
    if (!isJsonObject(criterion) || typeof criterion["type"] !== "string") continue;
    const { type, pattern = null } = criterion;
    const meaning = operatorMeaning(type);
    if (meaning?.kind === "none") return `"${name}" has the operator "${type}": ${meaning.reason}`;
    const problem = operandProblem(pattern);
    if (problem !== undefined) return `"${name}" ${problem}`;
  }
  return undefined;
}
