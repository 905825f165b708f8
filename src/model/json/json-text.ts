/**
 * Parses JSON without losing digits of its numbers.
 *
 * `JSON.parse` turns numbers into doubles and so changes some of them. It can pass each number's source to
 * a callback, but that takes ten times as long. So the text is first searched for numbers that might change
 * (number-search.ts). If there are any, each is replaced by a placeholder, the text is parsed again, and the
 * exact numbers are put in place of the placeholders; that takes three times as long.
 */
import { invalid, valid, type Decoded } from "./decoded.ts";
import { ExactNumber, jsonNumber, type JsonNumber } from "./exact-number.ts";
import { listOf, type JsonValue } from "./json.ts";
import { isAtMostDeep } from "./equality.ts";
import { JsonReader } from "./json-reader.ts";
import { hasDelicateNumber } from "./number-search.ts";

/**
 * How deep arrays and objects may be nested in payloads, checkpoints, configs and YAML files. Consumers in
 * other languages fail at about a thousand levels, and a message adds levels of its own.
 */
export const jsonDepthMax = 500;

/**
 * Digits before and after the decimal point of a number written without an exponent. The database writes
 * numbers out in full, and other languages refuse integers of more than about 4,000 digits.
 */
export const numberDigitsMax = 1_000;

/**
 * Like `JSON.parse`, but a number that JavaScript would write differently becomes an ExactNumber.
 *
 * @throws SyntaxError
 */
export function parseJson(text: string): JsonValue {
  const value = plainValue(text);
  try {
    return hasDelicateNumber(text) ? withExactNumbers(value, text, jsonNumber) : value;
  } catch (error) {
    // The stack overflows at a few thousand levels. Such a value can only have been written to the database
    // by hand, and is refused for its depth wherever it is used.
    if (error instanceof RangeError) return value;
    throw error;
  }
}

/**
 * Like `parseJson` for each of many texts, but they are parsed as one. That takes half the time if they are short and of
 * the same shape, and none of their numbers might change.
 *
 * @param texts each of them valid JSON
 */
export function parseJsonTexts(texts: readonly string[]): readonly JsonValue[] {
  const joined = `[${texts.join(",")}]`;
  return hasDelicateNumber(joined) ? texts.map(parseJson) : listOf(plainValue(joined));
}

/** The value, or a clause for people about what is wrong with the text. */
export function decodeJson(text: string): Decoded<JsonValue> {
  try {
    const value = plainValue(text);
    if (mayBeTooDeep(text) && !isAtMostDeep(value, jsonDepthMax))
      return invalid(`it is nested more than ${jsonDepthMax} levels deep`);
    return valid(hasDelicateNumber(text) ? withExactNumbers(value, text, boundedNumber) : value);
  } catch (error) {
    if (error instanceof SyntaxError)
      return invalid(syntaxProblem(text) ?? `it is not JSON: ${error.message}`);
    if (error instanceof NumberTooLongError) return invalid(error.message);
    throw error;
  }
}

/** Like `decodeJson`, for a text too large to read in one go. */
export function jsonReader(text: string): JsonReader {
  return new JsonReader(text, { depthMax: jsonDepthMax, number: decodeNumber });
}

/** The first duplicate key in the text; `JSON.parse` silently keeps the last value. */
export function repeatedKey(text: string): string | undefined {
  const reader = lenientReader(text);
  reader.read(Number.POSITIVE_INFINITY);
  return reader.repeatedKey;
}

/** Where and why a text is not JSON; the errors of `JSON.parse` give the position only sometimes. */
function syntaxProblem(text: string): string | undefined {
  const read = lenientReader(text).read(Number.POSITIVE_INFINITY);
  return read?.kind === "invalid" ? read.problem : undefined;
}

/** Without limits, and without decoding numbers. */
function lenientReader(text: string): JsonReader {
  return new JsonReader(text, { depthMax: Number.POSITIVE_INFINITY, number: () => valid(0) });
}

/** Whether the text has enough closing brackets to be too deep, which is cheaper than measuring the depth. */
function mayBeTooDeep(text: string): boolean {
  if (text.length <= 2 * jsonDepthMax) return false;
  let ends = 0;
  for (const bracket of "]}") {
    for (let at = text.indexOf(bracket); at !== -1; at = text.indexOf(bracket, at + 1)) {
      ends += 1;
      if (ends > jsonDepthMax) return true;
    }
  }
  return false;
}

function decodeNumber(source: string): Decoded<JsonNumber> {
  const problem = digitsProblem(source);
  return problem === undefined ? valid(jsonNumber(source)) : invalid(problem);
}

class NumberTooLongError extends Error {
  override readonly name = "NumberTooLongError";
}

function boundedNumber(source: string): JsonNumber {
  const problem = digitsProblem(source);
  if (problem !== undefined) throw new NumberTooLongError(problem);
  return jsonNumber(source);
}

function digitsProblem(source: string): string | undefined {
  if (isWithinDigits(source)) return undefined;
  const shown = source.length > 40 ? `${source.slice(0, 40)}…` : source;
  return `the number ${shown} has more than ${numberDigitsMax} digits before or after the decimal point`;
}

/** Whether a JSON number, written out without an exponent, stays within `numberDigitsMax` on either side of the point. */
export function isWithinDigits(source: string): boolean {
  if (source.length < numberDigitsMax && !/[eE]/.test(source)) return true;
  const [mantissa = "", exponentText = "0"] = source.split(/[eE]/);
  const [whole = "", fraction = ""] = mantissa.replace("-", "").split(".");
  const exponent = Number(exponentText);
  return whole.length + exponent <= numberDigitsMax && fraction.length - exponent <= numberDigitsMax;
}

function plainValue(text: string): JsonValue {
  const value: JsonValue = JSON.parse(text);
  return value;
}

type NumberOf = (source: string) => JsonNumber;

// A string including its quotes, or a number. In valid JSON, a digit outside of strings belongs to a number.
const textOrNumber = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d[\d.eE+-]*/g;

/**
 * @param value the parsed text
 * @returns the same value, with an exact number for each number that JavaScript would write differently
 */
function withExactNumbers(value: JsonValue, text: string, numberOf: NumberOf): JsonValue {
  // Placeholders begin with NUL. If the text's own strings may contain NUL, use the slow callback instead.
  if (text.includes(String.raw`\u0000`)) return reparsed(text, numberOf);
  const kept: JsonNumber[] = [];
  let marked = "";
  let end = 0;
  textOrNumber.lastIndex = 0;
  for (let found = textOrNumber.exec(text); found !== null; found = textOrNumber.exec(text)) {
    const [token] = found;
    if (token.startsWith('"') || String(Number(token)) === token) continue;
    marked += `${text.slice(end, found.index)}"\\u0000${kept.length}"`;
    kept.push(numberOf(token));
    end = textOrNumber.lastIndex;
  }
  return kept.length === 0 ? value : withKept(JSON.parse(marked + text.slice(end)), kept);
}

/** Mutable, since JSON.parse has just created it. */
type Parsed = string | number | boolean | null | Parsed[] | { [name: string]: Parsed } | ExactNumber;

function withKept(value: Parsed, kept: readonly JsonNumber[]): Parsed {
  if (typeof value === "string") {
    return value.startsWith("\0") ? (kept[Number(value.slice(1))] ?? value) : value;
  }
  if (typeof value !== "object" || value === null || value instanceof ExactNumber) return value;
  if (Array.isArray(value)) {
    for (const [index, element] of value.entries()) value[index] = withKept(element, kept);
    return value;
  }
  // Every name is an own property, even __proto__, so plain assignment is safe.
  for (const name of Object.keys(value)) value[name] = withKept(value[name] ?? null, kept);
  return value;
}

type Reviver = (key: string, value: unknown, context: { readonly source?: string }) => unknown;

/** Calls back for each value, which is slow. */
function reparsed(text: string, numberOf: NumberOf): JsonValue {
  const revive: Reviver = (_key, value, { source }) =>
    typeof value === "number" && source !== undefined && String(value) !== source ? numberOf(source) : value;
  // TypeScript's library lacks a reviver's third argument.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  const value: JsonValue = JSON.parse(text, revive as (key: string, value: unknown) => unknown);
  return value;
}
