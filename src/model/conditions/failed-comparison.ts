/**
 * Says in a sentence why a comparison did not hold for a payload, and what would have made it hold: for people who ask
 * why a rule did not match.
 */
import { isJsonNumber } from "../json/exact-number.ts";
import { isJsonArray, isJsonObject, jsonTypeOf, type JsonObject, type JsonValue } from "../json/json.ts";
import { readPath, writeFieldPath, type FieldPath } from "../paths/field-path.ts";
import { compileLinearPattern } from "../texts/linear-pattern.ts";
import { nearestName } from "../texts/nearest-name.ts";
import type { OperatorName } from "./operators.ts";
import type { Predicate } from "./predicate.ts";

export interface Explanation {
  /** What was seen and what was expected, such as `` `level` is "info", not "critical" ``. */
  readonly sentence: string;
  /** A likely mistake in the rule or the payload, as a clause; undefined if nothing looks wrong. */
  readonly hint: string | undefined;
}

type Comparison = Pick<Predicate, "path" | "operator" | "operand">;

/** Why a comparison does not hold. */
export function explainFailure(comparison: Comparison, payload: JsonObject): Explanation {
  const { path, operator, operand } = comparison;
  const seen = readPath(payload, path);
  const field = fieldText(path);
  if (seen === undefined) return { sentence: `${field} is missing`, hint: absenceHint(path, payload) };
  return {
    sentence: failureSentence(field, seen, operator, operand),
    hint: mismatchHint(seen, operator, operand),
  };
}

/** What a comparison that holds found, for one that stands inside a `not`. */
export function explainSuccess({ path, operator, operand }: Comparison, payload: JsonObject): string {
  const seen = readPath(payload, path);
  const field = fieldText(path);
  if (seen === undefined) return `${field} is missing, and ${operator} holds for a missing field`;
  const tail = operand === undefined ? "" : ` ${valueText(operand)}`;
  return `${field} is ${typedText(seen)}, so ${operator}${tail} holds`;
}

/** What would make the comparison hold, as in "would match if …". */
export function wishFor({ path, operator, operand }: Comparison): string {
  return `${fieldText(path)} ${wishes[operator](valueText(operand ?? null), operand ?? null)}`;
}

/** What would make the comparison fail, as in "would match if …". */
export function wishAgainst({ path, operator, operand }: Comparison): string {
  const opposite = opposites[operator];
  if (opposite !== undefined) return wishFor({ path, operator: opposite, operand });
  const value = operand === undefined ? "" : ` ${valueText(operand)}`;
  return `${fieldText(path)} did not pass ${operator}${value}`;
}

/** A field as people write it in conditions. */
function fieldText(path: FieldPath): string {
  if (path.length === 0) return "`payload`";
  return `\`${writeFieldPath(path) ?? path.join(".")}\``;
}

const wishes: Readonly<Record<OperatorName, (value: string, operand: JsonValue) => string>> = {
  equals: (value) => `were ${value}`,
  not_equals: (value) => `were anything but ${value}`,
  contains: (value) => `contained ${value}`,
  starts_with: (value) => `began with ${value}`,
  ends_with: (value) => `ended with ${value}`,
  greater_than: (value) => `were a number above ${value}`,
  greater_than_or_equal: (value) => `were the number ${value} or more`,
  less_than: (value) => `were a number below ${value}`,
  less_than_or_equal: (value) => `were the number ${value} or less`,
  in: (_, operand) => `were ${choicesText(operand)}`,
  not_in: (_, operand) => `were anything but ${choicesText(operand)}`,
  matches: (_, operand) => `matched ${patternText(operand)}`,
  exists: () => "existed",
  not_exists: () => "did not exist",
};

const opposites: Readonly<Partial<Record<OperatorName, OperatorName>>> = {
  equals: "not_equals",
  not_equals: "equals",
  in: "not_in",
  not_in: "in",
  exists: "not_exists",
  not_exists: "exists",
};

const orders: Readonly<Partial<Record<OperatorName, string>>> = {
  greater_than: "greater than",
  greater_than_or_equal: "greater than or equal to",
  less_than: "less than",
  less_than_or_equal: "less than or equal to",
};

const textTests: Readonly<Partial<Record<OperatorName, string>>> = {
  starts_with: "begin with",
  ends_with: "end with",
  matches: "match",
};

function failureSentence(
  field: string,
  seen: JsonValue,
  operator: OperatorName,
  operand: JsonValue | undefined,
): string {
  const expected = operand ?? null;
  const order = orders[operator];
  if (order !== undefined) {
    return isJsonNumber(seen)
      ? `${field} is ${valueText(seen)}, which is not ${order} ${valueText(expected)}`
      : `${field} is ${typedText(seen)}, which is never ${order} ${typedText(expected)}`;
  }
  const textTest = textTests[operator];
  if (textTest !== undefined) {
    const wanted = operator === "matches" ? patternText(expected) : valueText(expected);
    return typeof seen === "string"
      ? `${field} is ${valueText(seen)}, which does not ${textTest} ${wanted}`
      : `${field} is ${typedText(seen)}, and only text can ${textTest} ${wanted}`;
  }
  switch (operator) {
    case "contains":
      return typeof seen === "string" || isJsonArray(seen)
        ? `${field} is ${typedText(seen)}, which does not contain ${typedText(expected)}`
        : `${field} is ${typedText(seen)}, and only text and lists can contain anything`;
    case "in":
      return `${field} is ${typedText(seen)}, which is not ${choicesText(expected)}`;
    case "not_in":
    case "not_equals":
      return `${field} is ${typedText(seen)}, which the condition excludes`;
    case "not_exists":
      return `${field} exists: it is ${typedText(seen)}`;
    default:
      return jsonTypeOf(seen) === jsonTypeOf(expected)
        ? `${field} is ${valueText(seen)}, not ${valueText(expected)}`
        : `${field} is ${typedText(seen)}, which never equals ${typedText(expected)}`;
  }
}

function mismatchHint(
  seen: JsonValue,
  operator: OperatorName,
  operand: JsonValue | undefined,
): string | undefined {
  switch (operator) {
    case "equals":
      return likenessHint(seen, operand) ?? listHint(seen, operand);
    case "in": {
      const choices: JsonValue = operand ?? null;
      if (!isJsonArray(choices)) return undefined;
      return choices.map((choice) => likenessHint(seen, choice)).find((hint) => hint !== undefined);
    }
    case "contains":
    case "starts_with":
    case "ends_with":
      return searchHint(seen, operator, operand);
    case "matches":
      return patternHint(seen, operand);
    case "greater_than":
    case "greater_than_or_equal":
    case "less_than":
    case "less_than_or_equal":
      return typeof seen === "string" && isNumberText(seen)
        ? "the sensor sends the number as text; let it send a number"
        : undefined;
    default:
      return undefined;
  }
}

/** Two values that a person would call the same. */
function likenessHint(seen: JsonValue, expected: JsonValue | undefined): string | undefined {
  if (typeof seen === "string" && typeof expected === "string") {
    if (seen.toLowerCase() === expected.toLowerCase()) return "they differ only in case";
    if (seen.trim().toLowerCase() === expected.trim().toLowerCase())
      return "they differ only in spaces at the ends";
    return undefined;
  }
  const isText = typeof seen === "string" || typeof expected === "string";
  if (!isText || isJsonObject(seen) || isJsonArray(seen) || expected === undefined) return undefined;
  return plainText(seen) === plainText(expected)
    ? `they differ only in type; compare with ${typeof seen === "string" ? JSON.stringify(seen) : valueText(seen)}`
    : undefined;
}

function listHint(seen: JsonValue, expected: JsonValue | undefined): string | undefined {
  if (!isJsonArray(seen) || isJsonArray(expected ?? null)) return undefined;
  return "equals compares the whole list; contains looks for an element";
}

function searchHint(
  seen: JsonValue,
  operator: "contains" | "starts_with" | "ends_with",
  operand: JsonValue | undefined,
): string | undefined {
  if (isJsonArray(seen))
    return seen.map((element) => likenessHint(element, operand)).find((hint) => hint !== undefined);
  if (typeof seen !== "string" || typeof operand !== "string") return undefined;
  const [text, part] = [seen.toLowerCase(), operand.toLowerCase()];
  const holds = {
    contains: text.includes(part),
    starts_with: text.startsWith(part),
    ends_with: text.endsWith(part),
  };
  return holds[operator] ? "it would if case did not matter: use matches with (?i)" : undefined;
}

function patternHint(seen: JsonValue, operand: JsonValue | undefined): string | undefined {
  if (typeof seen !== "string" || typeof operand !== "string") return undefined;
  const lenient = compileLinearPattern(`(?i)${operand}`);
  if (lenient.kind === "valid" && lenient.value.test(seen))
    return "it would if case did not matter: put (?i) in front";
  const trimmed = compileLinearPattern(operand);
  return trimmed.kind === "valid" && trimmed.value.test(seen.trim())
    ? "it would without the spaces at the ends of the text"
    : undefined;
}

/** Why a path finds nothing: where it breaks, and what may have been meant. */
function absenceHint(path: FieldPath, payload: JsonObject): string | undefined {
  let parent: JsonValue = payload;
  for (const [depth, name] of path.entries()) {
    const next = readPath(parent, [name]);
    if (next === undefined) return breakHint(path, depth, parent, payload);
    parent = next;
  }
  return undefined;
}

function breakHint(
  path: FieldPath,
  depth: number,
  parent: JsonValue,
  payload: JsonObject,
): string | undefined {
  const before = path.slice(0, depth);
  const after = path.slice(depth + 1);
  const name = path[depth] ?? "";
  if (isJsonArray(parent)) {
    const count = parent.length === 1 ? "1 element" : `${parent.length} elements`;
    const where = fieldText(before);
    if (/^\d+$/.test(name)) return `${where} has ${count}, counted from 0`;
    return `${where} is a list of ${count}; name one of them, like ${fieldText([...before, "0", name, ...after])}`;
  }
  if (!isJsonObject(parent)) return `${fieldText(before)} is ${typedText(parent)}, which has no fields`;
  const near = likelyName(name, Object.keys(parent));
  if (near !== undefined) {
    const meant = [...before, near, ...after];
    return `did you mean ${fieldText(readPath(payload, meant) === undefined ? [...before, near] : meant)}?`;
  }
  const elsewhere = findName(path.at(-1) ?? "", payload);
  return elsewhere === undefined ? undefined : `there is a ${fieldText(elsewhere)}`;
}

/** The name that was probably meant: the same in another case or spelling, or almost the same. */
function likelyName(name: string, names: readonly string[]): string | undefined {
  const folded = fold(name);
  return names.find((each) => fold(each) === folded) ?? nearestName(name, names.slice(0, namesMax));
}

function fold(name: string): string {
  return name.toLowerCase().replaceAll(/[_\s-]/g, "");
}

const namesMax = 200;
const nodesMax = 2_000;

/** The shortest path that ends in a field of that name, among the first nodes of the payload. */
function findName(name: string, payload: JsonObject): FieldPath | undefined {
  const waiting: { readonly value: JsonValue; readonly path: FieldPath }[] = [{ value: payload, path: [] }];
  for (let at = 0; at < waiting.length && at < nodesMax; at += 1) {
    const { value, path } = waiting[at] ?? { value: null, path: [] };
    if (isJsonObject(value) && Object.hasOwn(value, name)) return [...path, name];
    if (!isJsonObject(value) && !isJsonArray(value)) continue;
    for (const [key, member] of Object.entries<JsonValue>(value)) {
      if (waiting.length >= nodesMax) break;
      waiting.push({ value: member, path: [...path, key] });
    }
  }
  return undefined;
}

const excerptLength = 60;

/** A value as JSON, cut if it is long. */
function valueText(value: JsonValue): string {
  if (isJsonArray(value)) return value.length > 8 ? listText(value) : cut(JSON.stringify(value));
  return cut(JSON.stringify(value));
}

function cut(text: string): string {
  return text.length <= excerptLength ? text : `${text.slice(0, excerptLength)}…`;
}

/** A value with its type, where the type matters: `the text "5"`. */
function typedText(value: JsonValue): string {
  if (typeof value === "string") return `the text ${valueText(value)}`;
  if (isJsonNumber(value)) return `the number ${valueText(value)}`;
  if (isJsonArray(value)) return listText(value);
  if (isJsonObject(value)) return "an object";
  return valueText(value);
}

function listText(value: readonly JsonValue[]): string {
  return value.length === 0 ? "an empty list" : `a list of ${value.length}`;
}

/** As it is written, which JSON would escape. */
function patternText(pattern: JsonValue): string {
  return typeof pattern === "string" ? pattern : valueText(pattern);
}

function choicesText(choices: JsonValue): string {
  if (!isJsonArray(choices)) return valueText(choices);
  const shown = choices.slice(0, 5).map(valueText);
  const more = choices.length - shown.length;
  const all = more > 0 ? [...shown, `${more} more`] : shown;
  return all.length === 1 ? (all[0] ?? "") : `one of ${all.slice(0, -1).join(", ")} or ${all.at(-1) ?? ""}`;
}

function plainText(value: JsonValue): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function isNumberText(text: string): boolean {
  return text.trim() !== "" && Number.isFinite(Number(text));
}
