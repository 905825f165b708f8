/**
 * Says in a sentence why a comparison did not hold for a payload, and what would have made it hold: for people who ask
 * why a rule did not match.
 */
import { isJsonNumber } from "../json/exact-number.ts";
import { isJsonArray, isJsonObject, jsonTypeOf, type JsonObject, type JsonValue } from "../json/json.ts";
import { readPath } from "../paths/field-path.ts";
import { compileLinearPattern } from "../texts/linear-pattern.ts";
import { absenceHint } from "./absence-hint.ts";
import type { OperatorName } from "./operators.ts";
import type { Predicate } from "./predicate.ts";
import { choicesText, fieldText, patternText, typedText, valueText } from "./value-text.ts";

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

/** Why a comparison holds; asked for comparisons inside a `not`. */
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
  const trimmed = seen.trim();
  // To compile a pattern takes longer than everything else about a failure.
  if (trimmed === seen) return undefined;
  const pattern = compileLinearPattern(operand);
  return pattern.kind === "valid" && pattern.value.test(trimmed)
    ? "it would without the spaces at the ends of the text"
    : undefined;
}

function plainText(value: JsonValue): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function isNumberText(text: string): boolean {
  return text.trim() !== "" && Number.isFinite(Number(text));
}
